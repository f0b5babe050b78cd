"""How good is the segmentation of one label in one case, by every metric?

A label or region is measured within the box that its voxels span in reference and prediction together. Voxels that the
reference leaves unannotated are in neither mask.

What surfaces, boundaries and centre lines say of empty masks is decided here (`overlap` has the table of the counts,
`lesions` that of the components). NaN means "not counted"; the diagonal is that of the image, from corner to corner:
no distance within it is longer, so that leaving a label out never pays. What a missing file would have invented is not
known, and its false lesions are not counted.

    reference   predicted      hd95, assd   nsd, boundary IoU, clDice   false lesions   ece, brier
    empty       empty          NaN          NaN                         0               measured (see `probabilities`)
    empty       something      diagonal     0                           all of them     measured
    something   empty          diagonal     0                           0               measured
    anything    missing file   diagonal     0                           NaN             1
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoseg.data.geometry import Geometry
from autoseg.data.labels import IGNORED
from autoseg.evaluation.boundary import boundary_iou
from autoseg.evaluation.case_grid import Box, Grid
from autoseg.evaluation.centre_lines import cl_dice
from autoseg.evaluation.definitions import name_nsd
from autoseg.evaluation.lesions import detect_lesions
from autoseg.evaluation.options import ALL_TUBULAR, MetricOptions
from autoseg.evaluation.overlap import Overlap
from autoseg.evaluation.probabilities import measure_file
from autoseg.evaluation.report import LabelScores
from autoseg.evaluation.surface import measure_surfaces

SHARE_OF_DIAGONAL = 0.02  # the boundary's width as published

Array = np.ndarray
Values = dict[str, float]


@dataclass(frozen=True)
class ScoredCase:
    """What all labels of a case are measured on; `predicted` is None where it is missing."""

    reference: Array
    predicted: Array | None
    confusion: Array
    boxes: tuple[list[Box | None], list[Box | None]]
    geometry: Geometry
    grid: Grid
    options: MetricOptions
    probabilities: Mapping[str, Path] | None

    @property
    def n_labels(self) -> int:
        """Background included."""
        return len(self.confusion)


@dataclass(frozen=True)
class Target:
    """A label or region with its counts, and the box of its voxels; None where it has none."""

    name: str
    labels: tuple[int, ...]
    overlap: Overlap
    box: Box | None

    @property
    def n_voxels(self) -> int:
        """Of the box."""
        return math.prod(one.stop - one.start for one in self.box) if self.box else 0


def score_label(case: ScoredCase, target: Target) -> LabelScores:
    """Every metric that is asked for, of one label or region; of calibration nothing yet."""
    groups, masks = case.options.groups, _cut_masks(case, target)
    values = _score_overlap(case, target.overlap)
    nsd: Values = {}
    if "surface" in groups:
        surface, nsd = _score_surface(case, target.name, masks)
        values |= surface
    if "boundary" in groups:
        values["boundary_iou"] = _score_boundary(case, masks)
    if "lesions" in groups:
        values |= _score_lesions(case, masks)
    if "centre_lines" in groups and {target.name, ALL_TUBULAR} & set(case.options.tubular):
        values["cl_dice"] = masks.verdict if masks.verdict is not None else cl_dice(masks.reference, masks.predicted)
    return LabelScores.model_validate({**values, "nsd": nsd})


@dataclass(frozen=True)
class _Masks:
    """A label in its box, boolean, without the axis that has no extent.

    Attributes:
        verdict: None where both masks hold something; else what a share scores without being measured: NaN where both
            are empty, 0 for a miss, where one is or the prediction is missing.
    """

    reference: Array
    predicted: Array
    verdict: float | None


def _cut_masks(case: ScoredCase, target: Target) -> _Masks:
    n_reference, n_predicted = target.overlap.n_reference, target.overlap.n_predicted
    is_miss = case.predicted is None or bool(n_reference) != bool(n_predicted)
    verdict = 0.0 if is_miss else None if n_reference else math.nan
    if target.box is None or not set(case.options.groups) - {"overlap", "calibration"}:
        nothing = np.zeros((1,) * len(case.grid.spacing), bool)
        return _Masks(nothing, nothing, verdict)
    reference = case.reference[target.box]
    drawn = _mark(reference, target.labels, case.n_labels)
    shown = np.zeros_like(drawn)
    if case.predicted is not None:
        shown = _mark(case.predicted[target.box], target.labels, case.n_labels)
        np.logical_and(shown, reference != IGNORED, out=shown)
    return _Masks(case.grid.flatten(drawn), case.grid.flatten(shown), verdict)


def _mark(segmentation: Array, labels: Sequence[int], n_labels: int) -> Array:
    """Where any of the labels is."""
    if len(labels) == 1:
        marked: Array = segmentation == labels[0]
        return marked
    is_wanted = np.zeros(n_labels - IGNORED, dtype=bool)  # the last is what `IGNORED` = -1 looks up
    is_wanted[list(labels)] = True
    return np.asarray(is_wanted[segmentation])


def _score_overlap(case: ScoredCase, overlap: Overlap) -> Values:
    is_missing, volume = case.predicted is None, case.grid.voxel_volume_ml
    return {
        "dice": 0.0 if is_missing else overlap.dice,
        "jaccard": 0.0 if is_missing else overlap.jaccard,
        "precision": 0.0 if is_missing else overlap.precision,
        "recall": 0.0 if is_missing else overlap.recall,
        "reference_ml": overlap.n_reference * volume,
        "predicted_ml": overlap.n_predicted * volume,
        "volume_error_ml": (overlap.n_predicted - overlap.n_reference) * volume,
    }


def _score_surface(case: ScoredCase, name: str, masks: _Masks) -> tuple[Values, Values]:
    """HD95 and ASSD, and the surface Dice at each tolerance."""
    tolerances = case.options.label_tolerances.get(name, case.options.tolerances)
    names = {name_nsd(tolerance, case.grid.unit): tolerance for tolerance in tolerances}
    if masks.verdict is not None:
        distance = case.grid.diagonal + masks.verdict
        return {"hd95": distance, "assd": distance}, dict.fromkeys(names, masks.verdict)
    distances = measure_surfaces(masks.reference, masks.predicted, case.grid.spacing)
    nsd = {metric: distances.surface_dice(tolerance) for metric, tolerance in names.items()}
    return {"hd95": distances.hausdorff(95), "assd": distances.mean_distance()}, nsd


def _score_boundary(case: ScoredCase, masks: _Masks) -> float:
    if masks.verdict is not None:
        return masks.verdict
    width = case.options.boundary_width
    width = SHARE_OF_DIAGONAL * case.grid.diagonal if width is None else width
    return boundary_iou(masks.reference, masks.predicted, case.grid.spacing, width)


def _score_lesions(case: ScoredCase, masks: _Masks) -> Values:
    """Of a missing prediction nobody knows what it would have invented; that is not counted as nothing."""
    if case.predicted is None:
        return {"lesion_f1": 0.0, "lesion_sensitivity": 0.0}
    volume = case.grid.voxel_volume_ml
    detection = detect_lesions(masks.reference, masks.predicted, voxel_volume_ml=volume, options=case.options)
    return {
        "lesion_f1": detection.f1,
        "lesion_sensitivity": detection.sensitivity,
        "lesion_false_positives": float(detection.n_false_positives),
    }


def calibrate_label(case: ScoredCase, target: Target) -> Values:
    """ECE and Brier of one label or region, from its probabilities; this takes masks of the whole image."""
    if case.predicted is None or case.probabilities is None:
        return {"ece": 1.0, "brier": 1.0}
    has_ignored = int(case.confusion.sum()) < case.reference.size
    calibrated = measure_file(
        case.probabilities[target.name],
        _mark(case.reference, target.labels, case.n_labels),
        geometry=case.geometry,
        n_bins=case.options.n_bins,
        annotated=case.reference != IGNORED if has_ignored else None,
    )
    return {"ece": calibrated.ece, "brier": calibrated.brier}
