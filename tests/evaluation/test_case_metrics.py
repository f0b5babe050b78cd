"""A whole case against closed forms, and against its parts; what empty masks score."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from autoseg.data.geometry import Geometry
from autoseg.data.image_io import write_volume
from autoseg.data.labels import IGNORED, Labels, Region
from autoseg.errors import DatasetError
from autoseg.evaluation import case_metrics, label_metrics
from autoseg.evaluation.boundary import boundary_iou
from autoseg.evaluation.case_grid import find_boxes, measure_grid, unite_boxes
from autoseg.evaluation.case_metrics import evaluate_case
from autoseg.evaluation.options import MetricOptions
from autoseg.evaluation.probabilities import Calibrated
from autoseg.evaluation.report import CaseScores, LabelScores
from autoseg.evaluation.surface import measure_surfaces

LABELS = Labels(names=("background", "organ", "vessel"), values=(0, 1, 2))
GEOMETRY = Geometry(shape=(12, 30, 40), spacing=(4.0, 2.0, 0.5))
DIAGONAL = math.hypot(12 * 4.0, 30 * 2.0, 40 * 0.5)
WORST = {"hd95": DIAGONAL, "assd": DIAGONAL, "boundary_iou": 0.0, "nsd_1mm": 0.0, "nsd_2mm": 0.0}


def draw(*, shift: int = 0, organ: bool = True, vessel: bool = True) -> np.ndarray:
    segmentation = np.zeros(GEOMETRY.shape, np.int16)
    segmentation[2:9, 4:16, 5 + shift : 25 + shift] = 1 if organ else 0
    segmentation[1:11, 20, 30 + shift] = 2 if vessel else 0
    return segmentation


def score(reference: np.ndarray, predicted: np.ndarray | None, **more: object) -> CaseScores:
    return evaluate_case(reference, predicted, labels=LABELS, geometry=GEOMETRY, case_id="x", **more)  # type: ignore[arg-type]


def pick(scores: LabelScores, names: object) -> dict[str, float]:
    return {name: scores.values()[name] for name in names}  # type: ignore[attr-defined]


def test_a_box_moved_along_its_length_is_as_far_as_it_moved() -> None:
    """Four voxels of 0.5 mm along x: the faces across x are 2 mm off, and nothing is further."""
    scores = score(draw(), draw(shift=4)).labels["organ"]
    assert scores.hd95 == pytest.approx(2.0)
    assert scores.nsd["nsd_2mm"] == 1
    assert 0 < scores.nsd["nsd_1mm"] < 1
    assert 0 < scores.assd < 2.0
    assert scores.dice == pytest.approx(16 / 20)


def test_a_label_in_its_box_scores_as_in_the_whole_image() -> None:
    reference, predicted = draw(), draw(shift=3)
    scores = score(reference, predicted).labels["organ"]
    whole = measure_surfaces(reference == 1, predicted == 1, GEOMETRY.spacing)
    assert (scores.hd95, scores.assd) == pytest.approx((whole.hausdorff(95), whole.mean_distance()))
    assert scores.nsd["nsd_1mm"] == pytest.approx(whole.surface_dice(1.0))
    width = 0.02 * DIAGONAL
    assert scores.boundary_iou == pytest.approx(boundary_iou(reference == 1, predicted == 1, GEOMETRY.spacing, width))


def test_the_same_segmentation_is_perfect_in_everything() -> None:
    scores = score(draw(), draw(), options=MetricOptions(tubular=("all",)))
    perfect = {"dice": 1, "hd95": 0, "assd": 0, "boundary_iou": 1, "cl_dice": 1, "nsd_1mm": 1}
    lesions = {"lesion_f1": 1, "lesion_sensitivity": 1, "lesion_false_positives": 0}
    assert [pick(its, perfect) for its in scores.labels.values()] == [perfect] * 2
    assert [pick(its, lesions) for its in scores.labels.values()] == [lesions] * 2


@pytest.mark.parametrize("predicted", [draw(organ=False), None], ids=["empty", "missing"])
def test_what_is_not_found_is_as_far_as_the_image_is_wide(predicted: np.ndarray | None) -> None:
    scores = score(draw(), predicted).labels["organ"]
    assert pick(scores, WORST) == pytest.approx(WORST)
    assert (scores.lesion_f1, scores.lesion_sensitivity) == (0, 0)


def test_what_is_invented_is_a_miss_too() -> None:
    scores = score(draw(organ=False), draw(), options=MetricOptions(tubular=("organ",))).labels["organ"]
    assert pick(scores, WORST) == pytest.approx(WORST)
    assert (scores.lesion_f1, scores.lesion_false_positives, scores.cl_dice) == (0, 1, 0)
    assert math.isnan(scores.lesion_sensitivity)


def test_what_is_rightly_empty_is_not_counted_but_for_false_lesions() -> None:
    scores = score(draw(organ=False), draw(organ=False), options=MetricOptions(tubular=("organ",))).labels["organ"]
    values = scores.values()
    counted = {name for name, value in values.items() if not math.isnan(value)}
    assert counted == {"reference_ml", "predicted_ml", "volume_error_ml", "lesion_false_positives"}
    assert set(scores.nsd) == {"nsd_1mm", "nsd_2mm"}


def test_a_missing_prediction_is_a_miss_even_where_nothing_was_to_be_found() -> None:
    options = MetricOptions(tubular=("organ",))
    scores = score(draw(organ=False), None, options=options, probabilities={}).labels["organ"]
    assert pick(scores, WORST) == pytest.approx(WORST)
    assert (scores.dice, scores.cl_dice, scores.ece, scores.brier) == (0, 0, 1, 1)
    assert math.isnan(scores.lesion_false_positives)


def test_unannotated_voxels_are_in_neither_mask() -> None:
    """Beyond x = 20 nothing is annotated, where alone the two differ."""
    reference, predicted = draw(vessel=False), draw(vessel=False)
    predicted[:, :, 22:] = 1
    reference[:, :, 20:] = IGNORED
    scores = score(reference, predicted).labels["organ"]
    assert (scores.dice, scores.hd95, scores.boundary_iou, scores.lesion_f1) == (1, 0, 1, 1)


def test_a_region_is_measured_as_its_union() -> None:
    both = Region(name="both", labels=(1, 2), paints=1)
    labels = LABELS.model_copy(update={"regions": (both, Region(name="vessel", labels=(2,), paints=2))})
    reference, predicted = draw(), draw(shift=2)
    reference[0, 0, 0] = predicted[0, 0, 0] = IGNORED + 1
    reference[0, 0, 1] = IGNORED
    found = evaluate_case(reference, predicted, labels=labels, geometry=GEOMETRY, case_id="x").labels
    alike = Labels(names=("background", "both"), values=(0, 1))
    merged = np.where(reference == IGNORED, IGNORED, np.minimum(reference, 1))
    expected = evaluate_case(merged, np.minimum(predicted, 1), labels=alike, geometry=GEOMETRY, case_id="x").labels
    assert found["both"] == expected["both"]


def test_a_picture_is_measured_by_its_contours_in_pixels() -> None:
    geometry = Geometry((1, 30, 40), (999.0, 1.0, 1.0), n_dimensions=2, has_spacing=False)
    reference, predicted = draw()[5:6], draw(shift=3)[5:6]
    scores = evaluate_case(reference, predicted, labels=LABELS, geometry=geometry, case_id="x").labels["organ"]
    expected = measure_surfaces(reference[0] == 1, predicted[0] == 1, (1.0, 1.0))
    assert set(scores.nsd) == {"nsd_1px", "nsd_2px"}
    assert (scores.hd95, scores.nsd["nsd_2px"]) == (expected.hausdorff(95), expected.surface_dice(2.0))
    missed = evaluate_case(reference, None, labels=LABELS, geometry=geometry, case_id="x").labels["organ"]
    assert missed.hd95 == pytest.approx(math.hypot(30, 40))
    assert math.isnan(missed.reference_ml)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_single_slice_has_the_spacing_of_its_own_axes(axis: int) -> None:
    shape = tuple(1 if index == axis else n for index, n in enumerate(GEOMETRY.shape))
    grid = measure_grid(Geometry(shape=shape, spacing=GEOMETRY.spacing))  # type: ignore[arg-type]
    assert grid.spacing == tuple(step for index, step in enumerate(GEOMETRY.spacing) if index != axis)
    assert grid.flatten(np.zeros(shape)).shape == tuple(n for n in shape if n > 1)
    assert (grid.unit, grid.flat_axis) == ("mm", axis)


def test_a_label_may_have_tolerances_of_its_own() -> None:
    options = MetricOptions(tolerances=(0.5,), label_tolerances={"organ": (1.5, 3.0)})
    scores = score(draw(), draw(shift=2), options=options).labels
    assert set(scores["organ"].nsd) == {"nsd_1.5mm", "nsd_3mm"}
    assert set(scores["vessel"].nsd) == {"nsd_0.5mm"}
    assert scores["organ"].nsd["nsd_1.5mm"] == 1


def test_only_what_is_asked_for_is_measured() -> None:
    full = score(draw(), draw(shift=1)).labels["organ"]
    fast = score(draw(), draw(shift=1), options=MetricOptions(groups=("overlap",))).labels["organ"]
    assert {name for name, value in fast.values().items() if not math.isnan(value)} == {
        *("dice", "jaccard", "precision", "recall", "reference_ml", "predicted_ml", "volume_error_ml")
    }
    assert fast.dice == full.dice
    assert math.isnan(full.cl_dice)
    assert not math.isnan(full.hd95)


def test_what_is_not_annotated_is_not_scored_by_any_metric() -> None:
    scores = score(draw(), draw(), annotated=("organ",)).labels
    assert scores["vessel"].is_unscored
    assert not scores["organ"].is_unscored


def test_threads_change_nothing() -> None:
    assert score(draw(), draw(shift=2), n_threads=3) == score(draw(), draw(shift=2))


def test_probabilities_that_are_certain_and_right_are_calibrated(tmp_path: Path) -> None:
    """Of 0.75 everywhere, the reference's share is what comes true."""
    files = {name: tmp_path / f"{name}.nii.gz" for name in ("organ", "vessel")}
    write_volume(files["organ"], (draw() == 1).astype(np.float32), GEOMETRY)
    write_volume(files["vessel"], np.full(GEOMETRY.shape, 0.75, np.float32), GEOMETRY)
    scores = score(draw(), draw(), probabilities=files).labels
    share = 10 / math.prod(GEOMETRY.shape)
    assert (scores["organ"].ece, scores["organ"].brier) == pytest.approx((0, 0))
    assert scores["vessel"].ece == pytest.approx(0.75 - share)
    assert scores["vessel"].brier == pytest.approx(share * 0.25**2 + (1 - share) * 0.75**2)


def test_a_missing_prediction_has_the_volume_of_nothing() -> None:
    """Its error is minus the reference; where that is empty there is none, as of an empty prediction."""
    full, empty = score(draw(), None).labels["organ"], score(draw(organ=False), None).labels["organ"]
    assert full.predicted_ml == 0
    assert full.volume_error_ml == -full.reference_ml < 0
    assert (empty.predicted_ml, empty.volume_error_ml) == (0, 0)


@pytest.mark.parametrize("step", [0.0, -4.0, math.nan, math.inf])
def test_a_spacing_that_is_no_length_names_the_case(step: float) -> None:
    geometry = Geometry(shape=GEOMETRY.shape, spacing=(step, 2.0, 0.5))
    with pytest.raises(DatasetError, match=r"case x: its spacing is .* but must be above 0 and finite"):
        evaluate_case(draw(), draw(), labels=LABELS, geometry=geometry, case_id="x")


@pytest.mark.parametrize(("n_images_at_once", "expected"), [(0.5, 1), (2, 2)])
def test_calibration_of_large_images_takes_turns(
    monkeypatch: pytest.MonkeyPatch, n_images_at_once: float, expected: int
) -> None:
    """It marks the whole image for every label; those side by side wait for each other, others would be seen."""
    busy, most, lock, both = 0, 0, threading.Lock(), threading.Barrier(expected)

    def measure(*_: object, **__: object) -> Calibrated:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        both.wait(timeout=20)
        time.sleep(0.02)
        with lock:
            busy -= 1
        return Calibrated(0.25, 0.125, 1)

    monkeypatch.setattr(label_metrics, "measure_file", measure)
    monkeypatch.setattr(case_metrics, "VOXELS_AT_ONCE", int(n_images_at_once * math.prod(GEOMETRY.shape)))
    files = {name: Path(name) for name in ("organ", "vessel")}
    scores = score(draw(), draw(), probabilities=files, n_threads=2).labels
    assert [(its.ece, its.brier, its.dice) for its in scores.values()] == [(0.25, 0.125, 1)] * 2
    assert most == expected


def test_boxes_span_reference_and_prediction() -> None:
    boxes = find_boxes(draw(), 3), find_boxes(draw(shift=4), 3)
    assert unite_boxes(boxes, (1,)) == (slice(2, 9), slice(4, 16), slice(5, 29))
    assert unite_boxes(boxes, (1, 2)) == (slice(1, 11), slice(4, 21), slice(5, 35))
    assert unite_boxes((find_boxes(None, 3), find_boxes(draw(organ=False), 3)), (1,)) is None
