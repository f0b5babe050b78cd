"""autoseg: a self-configuring segmentation engine that gives reasons. The packages, in the order of the method:

    data             what we were given: datasets, cases, labels, geometry, checks, splits
    fingerprinting   what we measured
    planning         what we decided, one file per rule
    preprocessing    how a case becomes network input
    networks         from the words of a plan to a network and its checkpoint; baselines and adapters for comparisons
    floors           simple references that hardly learn
    training         from preprocessed cases to a trained network
    prediction       from a trained network to a segmentation on the original grid
    evaluation       how good a segmentation is, and whether a difference is real
    postprocessing   what is done after the network, if it helps
    importing        models that nnU-Net trained, read as models of autoseg
    sharing          a trained model as one file, written and checked
    drawing          figures; tracking: where else a training is written down
    publishing       the page that shows a comparison to others
    pipeline         the order of things: one function per verb, over a workspace
    cli              the `autoseg` command

The names below are loaded when they are first used; `import autoseg` alone loads no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "open_project": "autoseg.pipeline.project",
    "check_dataset": "autoseg.data.checking",
    "ensure_fingerprint": "autoseg.pipeline.planning",
    "ensure_plan": "autoseg.pipeline.planning",
    "Wishes": "autoseg.planning.wishes",
    "TrainingWishes": "autoseg.pipeline.training",
    "train_folds": "autoseg.pipeline.training",
    "ensure_selection": "autoseg.pipeline.selecting",
    "load_model": "autoseg.pipeline.model",
    "predict_images": "autoseg.pipeline.prediction.predicting",
    "Predictor": "autoseg.pipeline.prediction.array_predictor",
    "evaluate_folders": "autoseg.evaluation.evaluating",
    "compare_methods": "autoseg.pipeline.benchmarking",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'autoseg' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
