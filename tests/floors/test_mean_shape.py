"""The average of masks: closed forms on small anisotropic grids."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from autoseg.data.labels import IGNORED, Labels, Region
from autoseg.errors import DatasetError
from autoseg.floors.cases import FloorCase, ReadCases, list_targets
from autoseg.floors.mean_shape import fit_mean_shape, lay

TWO = Labels(names=("background", "left", "right"), values=(0, 1, 2))


def reading(*segmentations: np.ndarray, annotated: tuple[bool, ...] = (True, True)) -> ReadCases:
    def read() -> Iterator[FloorCase]:
        return (FloorCase(np.zeros((1, *one.shape), np.float32), one, annotated) for one in segmentations)

    return read


def row(*labels: int) -> np.ndarray:
    return np.array([[labels]])


def test_the_prior_is_the_share_of_cases_and_the_threshold_the_best_one() -> None:
    """Three boxes of 4, each one further: taking what two of three hold gives Dice 2*10/(4+12), the best there is."""
    masks = [row(1, 1, 1, 1, 0, 0, 0, 0), row(0, 1, 1, 1, 1, 0, 0, 0), row(0, 0, 1, 1, 1, 1, 0, 0)]
    shape = fit_mean_shape(reading(*masks), list_targets(TWO), are_regions=False)
    np.testing.assert_allclose(shape.prior[0, 0, 0], np.array([1, 2, 3, 3, 2, 1, 0, 0]) / 3, rtol=1e-6)
    assert 1 / 3 < shape.thresholds[0] <= 2 / 3
    np.testing.assert_array_equal(shape.segment((1, 1, 8)), row(0, 1, 1, 1, 1, 0, 0, 0))


def test_where_labels_meet_the_more_probable_one_wins() -> None:
    masks = [row(1, 1, 1, 2), row(1, 1, 2, 2), row(1, 1, 2, 2)]
    shape = fit_mean_shape(reading(*masks), list_targets(TWO), are_regions=False)
    np.testing.assert_array_equal(shape.segment((1, 1, 4)), row(1, 1, 2, 2))


def test_masks_are_laid_corner_on_corner_whatever_their_grid() -> None:
    """The half of each axis that is taken stays a half on a finer, anisotropic grid."""
    masks = []
    for z, y, x in ((2, 4, 8), (4, 8, 8), (6, 8, 16)):
        mask = np.zeros((z, y, x), dtype=np.int64)
        mask[:, : y // 2, x // 2 :] = 1
        masks.append(mask)
    shape = fit_mean_shape(reading(*masks), list_targets(TWO), are_regions=False)
    expected = np.zeros((10, 40, 80), dtype=np.int64)
    expected[:, :20, 40:] = 1
    found = shape.segment(expected.shape)
    assert found.shape == expected.shape
    assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.9
    assert (found[:, :15, 50:] == 1).all()


def test_laying_keeps_a_ramp() -> None:
    """Linear between voxel centres, constant beyond the outermost: centres of the finer grid lie at 1/4 and 3/4."""
    laid = lay(np.array([[[0.0, 1.0, 2.0]]]), (1, 1, 6))
    np.testing.assert_allclose(laid[0, 0], [0, 0.25, 0.75, 1.25, 1.75, 2], atol=1e-6)


def test_regions_are_painted_in_their_order() -> None:
    whole = Region(name="whole", labels=(1, 2), paints=1)
    core = Region(name="core", labels=(2,), paints=2)
    targets = list_targets(TWO.model_copy(update={"regions": (whole, core)}))
    shape = fit_mean_shape(reading(row(1, 2, 2, 1, 0), row(1, 2, 2, 1, 0)), targets, are_regions=True)
    np.testing.assert_array_equal(shape.segment((1, 1, 5)), row(1, 2, 2, 1, 0))


def test_what_is_ignored_does_not_move_the_threshold() -> None:
    """Half of the prior is right where anything is known, and the ignored half would have argued against it."""
    masks = [row(1, 1, 0, 0), row(0, 0, IGNORED, IGNORED)]
    shape = fit_mean_shape(reading(*masks), list_targets(TWO), are_regions=False)
    np.testing.assert_array_equal(shape.segment((1, 1, 4)), row(1, 1, 0, 0))


def test_what_is_ignored_says_nothing_against_a_label() -> None:
    """Everybody who looked at the second half saw the label there; the ignored places are no votes."""
    masks = [row(0, 0, 1, 1), row(0, 0, IGNORED, IGNORED), row(0, 0, IGNORED, IGNORED)]
    shape = fit_mean_shape(reading(*masks), list_targets(TWO), are_regions=False)
    np.testing.assert_allclose(shape.prior[0, 0, 0], [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("shape", "coarse"), [((6, 8, 10), (3, 4, 2)), ((5, 7, 9), (2, 7, 4)), ((3, 300, 4), (3, 128, 4))]
)
def test_a_coarser_grid_keeps_what_is_there(shape: tuple[int, ...], coarse: tuple[int, ...]) -> None:
    """The mean over the extent is that of the volume: a single voxel, which points between it would miss, stays."""
    n_voxels = math.prod(shape)
    for at in range(0, n_voxels, n_voxels // 40):
        volume = np.arange(n_voxels).reshape(shape) == at
        assert lay(volume, coarse).mean() == pytest.approx(1 / n_voxels, rel=1e-5)
    blocks = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_allclose(lay(blocks, (2, 3, 2)), blocks.reshape(2, 3, 2, 2).mean(axis=-1), rtol=1e-6)


def test_an_axis_may_get_coarser_while_another_gets_finer() -> None:
    laid = lay(np.array([[[0.0, 2.0, 4.0, 6.0]], [[10.0, 10.0, 10.0, 10.0]]]), (4, 1, 2))
    np.testing.assert_allclose(laid[:, 0], [[1, 5], [3.25, 6.25], [7.75, 8.75], [10, 10]], rtol=1e-6)


def test_a_label_that_no_case_marks_is_never_found() -> None:
    mask = row(1, 2, 2, 0)
    shape = fit_mean_shape(reading(mask, annotated=(True, False)), list_targets(TWO), are_regions=False)
    np.testing.assert_array_equal(shape.segment((1, 1, 4)), row(1, 0, 0, 0))


def test_without_a_case_there_is_nothing_to_average() -> None:
    with pytest.raises(DatasetError, match="no training case"):
        fit_mean_shape(reading(), list_targets(TWO), are_regions=False)
