"""Lesions against counts on paper, and the assignment against trying every one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from autoseg.evaluation import lesions
from autoseg.evaluation.lesions import Detection, assign, detect_lesions, label_components
from autoseg.evaluation.options import MetricOptions

SHAPE = (4, 9, 15)
VOXEL_ML = 0.002


def draw(*boxes: tuple[slice, slice, slice]) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    for box in boxes:
        mask[box] = True
    return mask


def block(z: int, y: int, x: int, *size: int) -> tuple[slice, slice, slice]:
    return tuple(slice(start, start + n) for start, n in zip((z, y, x), size, strict=True))


def detect(reference: np.ndarray, predicted: np.ndarray, **options: float) -> Detection:
    return detect_lesions(reference, predicted, voxel_volume_ml=VOXEL_ML, options=MetricOptions(**options))


A, B, C = block(0, 0, 0, 2, 3, 3), block(0, 0, 6, 2, 3, 3), block(0, 6, 0, 4, 3, 3)


def test_two_of_three_are_found_and_one_is_invented() -> None:
    found = detect(draw(A, B, C), draw(A, block(0, 1, 6, 2, 3, 3), block(3, 8, 14, 1, 1, 1)))
    assert found == Detection(n_reference=3, n_predicted=3, n_found=2)
    assert (found.sensitivity, found.precision, found.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert found.n_false_positives == 1


@pytest.mark.parametrize(
    ("reference", "predicted", "scores"),
    [
        (draw(), draw(), (math.nan, math.nan, math.nan, 0)),
        (draw(), draw(A, B), (0, math.nan, 0, 2)),
        (draw(A), draw(), (0, 0, math.nan, 0)),
        (draw(A), draw(B), (0, 0, 0, 1)),
    ],
)
def test_table_of_empty_cases(reference: np.ndarray, predicted: np.ndarray, scores: tuple[float, ...]) -> None:
    found = detect(reference, predicted)
    assert (found.f1, found.sensitivity, found.precision, found.n_false_positives) == pytest.approx(scores, nan_ok=True)


def test_one_blob_over_three_lesions_finds_one_and_crumbs_in_one_lesion_find_it_once() -> None:
    row = [block(1, 4, x, 1, 1, 3) for x in (0, 4, 8)]
    assert detect(draw(*row), draw(block(1, 4, 0, 1, 1, 11))) == Detection(3, 1, 1)
    assert detect(draw(block(1, 4, 0, 1, 1, 11)), draw(*row)) == Detection(1, 3, 1)


def test_a_bridge_over_a_corner_connects() -> None:
    mask = draw(block(0, 0, 0, 1, 1, 1), block(1, 1, 1, 1, 1, 1))
    assert detect(mask, mask) == Detection(1, 1, 1)


@pytest.mark.parametrize(("iou", "n_found"), [(0.5, 1), (0.51, 0)])
def test_the_least_overlap_itself_is_enough(iou: float, n_found: int) -> None:
    assert detect(draw(block(0, 0, 0, 1, 1, 2)), draw(block(0, 0, 1, 1, 1, 1)), lesion_iou=iou).n_found == n_found


@pytest.mark.parametrize(("least_ml", "n_lesions"), [(0.0, 2), (0.006, 2), (0.0061, 1), (0.037, 0)])
def test_small_components_count_on_neither_side(least_ml: float, n_lesions: int) -> None:
    mask = draw(A, block(3, 8, 12, 1, 1, 3))  # 18 and 3 voxels, 0.036 and 0.006 ml
    assert detect(mask, mask, min_lesion_volume_ml=least_ml) == Detection(n_lesions, n_lesions, n_lesions)


def test_a_component_of_exactly_the_least_volume_counts() -> None:
    """In floats 0.07 / 0.01 is more than 7."""
    mask, options = draw(block(0, 0, 0, 1, 1, 7)), MetricOptions(min_lesion_volume_ml=0.07)
    assert detect_lesions(mask, mask, voxel_volume_ml=0.01, options=options) == Detection(1, 1, 1)


@pytest.mark.parametrize(("length", "n_false_positives"), [(5, 0), (15, 0), (21, 1)])
def test_what_finds_a_lesion_too_small_to_count_is_no_false_positive(length: int, n_false_positives: int) -> None:
    reference, predicted = np.zeros((2, 1, 30), dtype=bool), np.zeros((2, 1, 30), dtype=bool)
    reference[0, 0, :2], predicted[0, 0, :length] = True, True  # IoU 2/5, 2/15 and 2/21
    found = detect(reference, predicted, min_lesion_volume_ml=5 * VOXEL_ML)
    assert found == Detection(0, n_false_positives, 0)


def test_a_hit_is_a_hit_though_it_also_covers_a_lesion_too_small_to_count() -> None:
    reference, predicted = draw(block(0, 0, 0, 1, 1, 6), block(0, 0, 7, 1, 1, 2)), draw(block(0, 0, 0, 1, 1, 9))
    assert detect(reference, predicted, min_lesion_volume_ml=5 * VOXEL_ML) == Detection(1, 1, 1)


def test_without_a_spacing_every_component_counts() -> None:
    options = MetricOptions(min_lesion_volume_ml=1000.0)
    assert detect_lesions(draw(A), draw(A), voxel_volume_ml=math.nan, options=options) == Detection(1, 1, 1)


def match_exhaustively(rows: np.ndarray, columns: np.ndarray, iou: np.ndarray) -> tuple[int, float]:
    """Most pairs, and the greatest sum of overlaps among choices of so many."""
    best = (0, 0.0)
    for n in range(1, min(len(set(rows)), len(set(columns))) + 1):
        for chosen in map(list, itertools.combinations(range(rows.size), n)):
            if len(set(rows[chosen])) == len(set(columns[chosen])) == n:
                best = max(best, (n, float(iou[chosen].sum())))
    return best


@given(st.integers(0, 2**32 - 1))
def test_assignment_is_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random((4, 5)) < 0.4)
    iou = rng.uniform(0.1, 1, rows.size)
    chosen = assign(rows, columns, iou)
    assert len(set(rows[chosen])) == len(set(columns[chosen])) == chosen.size
    assert (chosen.size, iou[chosen].sum()) == pytest.approx(match_exhaustively(rows, columns, iou))


@pytest.mark.parametrize("pairs_at_once", [1, 7, 1000])
def test_batches_of_groups_choose_what_one_dense_assignment_does(monkeypatch, pairs_at_once: int) -> None:
    monkeypatch.setattr(lesions, "PAIRS_AT_ONCE", pairs_at_once)
    rng = np.random.default_rng(2)
    pairs = rng.permutation(
        np.unique([(i, max(0, i + rng.integers(-1, 2))) for i in range(90) for _ in range(2)], axis=0)
    )
    rows, columns, iou = pairs[:, 0], pairs[:, 1], rng.uniform(0.1, 1, len(pairs))
    profit = np.zeros((90, 91))
    profit[rows, columns] = 1000 + iou
    best = linear_sum_assignment(profit, maximize=True)
    chosen = assign(rows, columns, iou)
    assert len(set(rows[chosen])) == len(set(columns[chosen])) == chosen.size > 60
    assert 1000 * chosen.size + iou[chosen].sum() == pytest.approx(profit[best].sum(), abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.4]), st.sampled_from([1, 2]))
def test_random_masks_agree_with_one_mask_per_component(seed: int, iou: float, least: int) -> None:
    rng = np.random.default_rng(seed)
    reference, predicted = rng.random((2, 2, 4, 7)) < 0.2
    drawn, shown = ([m == i for i in range(1, n + 1)] for m, n in map(label_components, (reference, predicted)))
    pairs = [
        (r, p, (a & b).sum() / (a | b).sum()) for r, a in enumerate(drawn) for p, b in enumerate(shown) if (a & b).any()
    ]
    allowed = [(r, p, o) for r, p, o in pairs if o >= iou and drawn[r].sum() >= least and shown[p].sum() >= least]
    table = [np.array(side) for side in zip(*allowed, strict=True)] or [np.zeros(0, int)] * 3
    found = detect(reference, predicted, lesion_iou=iou, min_lesion_volume_ml=least * VOXEL_ML)
    assert found.n_found == match_exhaustively(*table)[0]
    assert found.n_reference == sum(mask.sum() >= least for mask in drawn)
    n_excusable = len({p for r, p, o in pairs if o >= iou and drawn[r].sum() < least and shown[p].sum() >= least})
    n_large = sum(mask.sum() >= least for mask in shown)
    assert n_large - n_excusable <= found.n_predicted <= n_large


@given(st.integers(0, 2**32 - 1))
def test_the_box_does_not_matter(seed: int) -> None:
    reference, predicted = np.random.default_rng(seed).random((2, 3, 5, 6)) < 0.3
    wide = [np.pad(mask, ((1, 4), (2, 0), (0, 3))) for mask in (reference, predicted)]
    assert detect(*wide) == detect(reference, predicted)


def test_pictures_are_masks_of_two_axes_or_of_one_slice() -> None:
    reference, predicted = np.random.default_rng(4).random((2, 9, 13)) < 0.3
    found = detect(reference, predicted)
    assert found == detect(reference[None], predicted[None])
    assert found.n_reference == ndimage.label(reference, np.ones((3, 3)))[1] > 3
