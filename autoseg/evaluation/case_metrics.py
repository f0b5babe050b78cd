"""How good is the segmentation of one case, by every metric?

Each label or region is measured by itself (`label_metrics`), within the box that its voxels span in reference and
prediction together: a small organ of a whole-body scan costs what a small organ costs. Pictures and single slices are
measured in 2D (`case_grid`). Labels are measured side by side as far as memory bears; calibration, which looks at the
whole image for each label, comes last and takes turns in large images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from autoseg.data.geometry import Geometry, refuse_bad_spacing
from autoseg.data.labels import Labels
from autoseg.errors import DatasetError
from autoseg.evaluation.case_grid import find_boxes, measure_grid, unite_boxes
from autoseg.evaluation.label_metrics import Array, ScoredCase, Target, calibrate_label, score_label
from autoseg.evaluation.options import MetricOptions
from autoseg.evaluation.overlap import count_confusion, overlap_of
from autoseg.evaluation.report import METRICS, CaseScores, LabelScores

NOT_SCORED = LabelScores.model_validate(dict.fromkeys(METRICS, math.nan))
T = TypeVar("T")

VOXELS_AT_ONCE = 1 << 25  # in boxes, or images, that threads measure side by side; larger ones take turns


def evaluate_case(
    reference: Array,
    predicted: Array | None,
    *,
    labels: Labels,
    geometry: Geometry,
    case_id: str,
    annotated: Sequence[str] | None = None,
    options: MetricOptions | None = None,
    probabilities: Mapping[str, Path] | None = None,
    n_threads: int = 1,
) -> CaseScores:
    """Score one case.

    Args:
        reference: labels 0..n-1 and `IGNORED`, (Z, Y, X); ignored voxels are outside of every count.
        predicted: labels 0..n-1, same shape; None where the prediction is missing.
        labels: names of the labels, or the regions that are scored in their place.
        geometry: of the reference; nothing in mm or ml is told where it has no spacing.
        case_id: the case.
        annotated: names of what the reference annotates, as in `Case.annotated`; the rest is not scored.
        options: which metrics, with which tolerances; those of `MetricOptions()` by default.
        probabilities: file of each label or region by name, as `predict-ensemble` saves them; without, calibration
            is not measured.
        n_threads: labels that are measured side by side.

    Raises:
        DatasetError: the shapes differ, a label is not among `labels`, or the spacing is no length.
    """
    chosen = options or MetricOptions()
    refuse_bad_spacing(geometry, f"case {case_id}")
    try:
        confusion = count_confusion(reference, _or_nothing(reference, predicted), labels.n_labels)
    except ValueError as problem:
        raise DatasetError(f"case {case_id}: {problem}") from None
    boxes = find_boxes(reference, labels.n_labels), find_boxes(predicted, labels.n_labels)
    case = ScoredCase(reference, predicted, confusion, boxes, geometry, measure_grid(geometry), chosen, probabilities)
    marks = labels.mark_annotated(annotated)[-len(labels.targets) :]
    targets = [
        Target(name, its, overlap_of(confusion, its), unite_boxes(case.boxes, its))
        for (name, its), is_annotated in zip(labels.targets, marks, strict=True)
        if is_annotated
    ]
    found = _score_side_by_side(case, targets, n_threads)
    scores = {name: found.get(name, NOT_SCORED) for name, _ in labels.targets}
    return CaseScores(case_id=case_id, labels=scores, is_missing=predicted is None)


def _or_nothing(reference: Array, predicted: Array | None) -> Array:
    return np.zeros(reference.shape, np.int8) if predicted is None else predicted


def _score_side_by_side(case: ScoredCase, targets: Sequence[Target], n_threads: int) -> dict[str, LabelScores]:
    """Large boxes one after the other, so that memory is bounded by the largest; the others side by side."""
    large = [target for target in targets if target.n_voxels * n_threads > VOXELS_AT_ONCE]
    small = sorted((target for target in targets if target not in large), key=lambda target: -target.n_voxels)
    found = [score_label(case, target) for target in large]
    found += _run_side_by_side(lambda target: score_label(case, target), small, n_threads)
    scores = {target.name: its for target, its in zip([*large, *small], found, strict=True)}
    if "calibration" in case.options.groups and case.probabilities is not None:
        n_bearable = min(n_threads, VOXELS_AT_ONCE // max(1, case.reference.size))
        calibrated = _run_side_by_side(lambda target: calibrate_label(case, target), targets, n_bearable)
        for target, values in zip(targets, calibrated, strict=True):
            scores[target.name] = scores[target.name].model_copy(update=values)
    return scores


def _run_side_by_side(measure: Callable[[Target], T], targets: Sequence[Target], n_threads: int) -> list[T]:
    if n_threads <= 1 or len(targets) <= 1:
        return [measure(target) for target in targets]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(measure, targets))
