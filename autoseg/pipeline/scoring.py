"""Predicting preprocessed cases, and scoring the written segmentations on the original grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from autoseg.data.image_io import read_header, read_segmentation, write_segmentation
from autoseg.data.labels import Labels, decode_labels, encode_labels
from autoseg.evaluation.case_metrics import evaluate_case
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.options import MetricOptions
from autoseg.evaluation.report import CaseScores, Report
from autoseg.machine import count_cores
from autoseg.pipeline.project import Project
from autoseg.prediction.confidence import measure_confidence
from autoseg.prediction.configuration_predictor import ConfigurationPredictor
from autoseg.prediction.restoring.restore import Member, restore
from autoseg.preprocessing.label_maps import open_labels
from autoseg.preprocessing.store import open_case


@dataclass(frozen=True)
class StoredPredictor:
    """A predictor, and where the cases lie that it predicts.

    Attributes:
        predictor: of one configuration.
        store: its preprocessed cases.
        previous: of a cascade, the previous segmentation of each case, by case id.
    """

    predictor: ConfigurationPredictor
    store: Path
    previous: Mapping[str, Path] = field(default_factory=dict)

    def predict(self, case_id: str) -> Member:
        """Predict a stored case."""
        stored = open_case(self.store, case_id)
        previous = np.asarray(open_labels(self.previous[case_id])[:]) if case_id in self.previous else None
        return self.predictor.predict(stored.read_image(), stored.placement, previous=previous)


def predict_and_score(
    project: Project,
    ensemble: Sequence[StoredPredictor],
    case_ids: Sequence[str],
    folder: Path,
    options: MetricOptions | None = None,
    *,
    n_threads: int | None = None,
) -> Report:
    """Predict preprocessed cases with an ensemble, write the segmentations, and score them.

    What each prediction says of its own certainty is kept beside its scores: `evaluation.calibrating` compares them.
    Members of one network each say nothing about agreement. `options` says which metrics; all of them by default.
    Scores are counted by `n_threads`: as many as torch has by default, which shares the cores where neighbours train.
    """
    labels, chosen = project.dataset.labels, options or MetricOptions()
    scores = []
    with project.reporter.follow("Predicting validation cases", len(case_ids)) as advance:
        for done, case_id in enumerate(case_ids, start=1):
            path = folder / f"{case_id}{project.dataset.file_ending}"
            restored = restore([member.predict(case_id) for member in ensemble], entropy=True, softness=True)
            geometry = read_header(project.dataset.find_case(case_id).images[0]).geometry
            write_segmentation(path, decode_labels(restored.segmentation, labels), geometry)
            confidence = measure_confidence(restored, (), labels, geometry.voxel_volume_ml)
            its = score_written(project, case_id, path, chosen, n_threads=n_threads)
            scores.append(its.model_copy(update={"confidence": confidence}))
            advance(done, "")
    return make_report(scores, labels, options=chosen)


def score_written(
    project: Project,
    case_id: str,
    path: Path,
    options: MetricOptions | None = None,
    *,
    n_threads: int | None = None,
) -> CaseScores:
    """Score a written segmentation against the case's reference, by `n_threads` or as many as torch has."""
    case = project.dataset.find_case(case_id)
    assert case.segmentation is not None, "a case of a split has a reference"
    labels = project.dataset.labels
    reference, geometry = read_labels(case.segmentation, labels), read_header(case.segmentation).geometry
    return evaluate_case(
        reference,
        read_labels(path, labels),
        labels=labels,
        geometry=geometry,
        case_id=case_id,
        annotated=case.annotated,
        options=options,
        n_threads=n_threads or min(torch.get_num_threads(), count_cores()),
    )


def read_labels(path: Path, labels: Labels) -> np.ndarray:
    """Read a segmentation file as labels (Z, Y, X)."""
    stored, _ = read_segmentation(path)
    return encode_labels(stored, labels, where=str(path))
