"""What does `predictions.json` say? What was predicted, by which model, how, and what it took.

It is written before the first image is read and after every case, so that a run that ended in the middle goes on where
it was. Folders of earlier versions, which say less, are gone on with as well.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autoseg import __version__
from autoseg.errors import WorkspaceError
from autoseg.pipeline.model import Model
from autoseg.prediction.memory.budget import BYTES_PER_GB, Spending
from autoseg.serialization import Record, parse_record, read_json, to_plain, write_json

FILE_NAME = "predictions.json"
CONFIDENCE_FILE = "confidence.csv"
FORMAT = 2


class Seconds(Record):
    """Seconds that a case took; stages of different cases overlap."""

    reading: float = 0.0
    predicting: float = 0.0
    writing: float = 0.0


class Predicted(Record):
    """What became of one case.

    Attributes:
        case_id, file: the case, and the name of its segmentation.
        extras: names of the images that were written beside it.
        earlier: names of files that were written for this case when its segmentation was called differently.
        source: digest of the image's files; empty while the case is still to be predicted.
        runtime_s: seconds of all stages.
        seconds: by stage.
        peak_memory_gb: the highest that the process, or the GPU, held until the case was written.
        n_windows, n_skipped: windows of all passes, and those of one constant value that another answered for.
        volumes_ml: volume of each foreground label; None for pictures without a spacing.
        predicted_dice: what the cross-validation lets expect of each label; None where it tells nothing.
        warnings: what about the input is unlike anything in training.
        doubts: labels that are likely worse than usual, one sentence each.
        was_there: whether an earlier run had predicted it.
    """

    case_id: str
    file: str
    extras: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    source: str = ""
    runtime_s: float = 0.0
    seconds: Seconds = Seconds()
    peak_memory_gb: float | None = None
    n_windows: int = 0
    n_skipped: int = 0
    volumes_ml: dict[str, float | None] = {}
    predicted_dice: dict[str, float | None] = {}
    warnings: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    was_there: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files that were written for the case, or are to be."""
        return (self.file, *self.extras, *self.earlier)

    def begin_anew(self, file: str, extras: Sequence[str]) -> Predicted:
        """The case before it is predicted, again or to other files; what is there of it stays known as its own."""
        if self.file == file:
            return Predicted(
                case_id=self.case_id,
                file=file,
                extras=tuple(dict.fromkeys((*extras, *self.extras))),
                earlier=self.earlier,
            )
        earlier = tuple(name for name in dict.fromkeys(self.files) if name not in (file, *extras))
        return Predicted(case_id=self.case_id, file=file, extras=tuple(extras), earlier=earlier)


def read_manifest(folder: Path, model: Model) -> dict[str, Predicted]:
    """What earlier runs predicted into a folder, by case id.

    Raises:
        WorkspaceError: another model did, or other options.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or content.get("model") != model.digest:
        what = _describe_difference(content, model) if isinstance(content, dict) else "another model"
        raise WorkspaceError(f"{folder}: holds predictions of {what}. Choose another folder.")
    is_calibrated_alike = content.get("calibration", model.calibration_digest) == model.calibration_digest
    if (folder / CONFIDENCE_FILE).is_file() and not is_calibrated_alike:
        raise WorkspaceError(
            f"{folder}: its {CONFIDENCE_FILE} rests on another calibration. Choose another folder, or remove the file "
            "to go on without its rows."
        )
    cases = [parse_record(Predicted, case, where=str(path), error=WorkspaceError) for case in content["cases"]]
    return {case.case_id: case for case in cases}


def _describe_difference(content: Mapping[str, Any], model: Model) -> str:
    """What is not as in the manifest that is there: options by name, or else the model."""
    now, there = to_plain(model.predictors[0].options), content.get("options")
    named = there if isinstance(there, dict) else {}
    differing = [
        f"{key} {named[key]} instead of {value}" for key, value in now.items() if named.get(key, value) != value
    ]
    return f"other options ({', '.join(differing)})" if differing else "another model or other options"


def write_manifest(folder: Path, facts: Mapping[str, Any], cases: Mapping[str, Predicted]) -> None:
    """Write `predictions.json`: what `describe_run` says, and every case."""
    write_json(folder / FILE_NAME, {**facts, "cases": list(cases.values())})


def describe_run(model: Model, spending: Spending) -> dict[str, Any]:
    """Who predicts, how, and within which budget."""
    return {
        "autoseg_predictions": FORMAT,
        "model": model.digest,
        "calibration": model.calibration_digest,
        "networks": [predictor.description for predictor in model.predictors],
        "options": model.predictors[0].options,
        "device": str(model.device),
        "versions": {
            "autoseg": __version__,
            "torch": str(torch.__version__),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "budget": describe_spending(spending),
    }


def describe_spending(spending: Spending) -> dict[str, Any]:
    """A budget's decision as plain data."""
    return {
        "reason": spending.reason,
        "memory_gb": round(spending.allowance.memory / BYTES_PER_GB, 3),
        "is_declared": spending.allowance.is_declared,
        "predicted": {**spending.peak.in_gb(), "device_gb": round(spending.device_peak / BYTES_PER_GB, 3)},
        "disk_gb": round(spending.disk / BYTES_PER_GB, 3),
        "sums": spending.resources.sums,
        "windows_per_batch": spending.resources.windows_per_batch,
        "slab_bytes": spending.resources.slab_bytes,
        "cases_in_flight": spending.n_in_flight,
    }
