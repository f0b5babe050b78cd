"""Boundary IoU against rings counted on paper and against a distance transform."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from autoseg.evaluation import boundary
from autoseg.evaluation.boundary import boundary_iou


def square(start: int, stop: int) -> np.ndarray:
    mask = np.zeros((20, 20), bool)
    mask[start:stop, start:stop] = True
    return mask


def by_distance_transform(mask: np.ndarray, spacing: tuple[float, ...], width: float) -> np.ndarray:
    padded = np.pad(mask, 1)
    distance = ndimage.distance_transform_edt(padded, sampling=spacing)
    at_face = ~ndimage.binary_erosion(padded)
    return (padded & ((distance <= width) | at_face))[(slice(1, -1),) * mask.ndim]


def test_rings_of_two_pixels() -> None:
    """A 12 x 12 square has a ring of 80, the 10 x 10 square within one of 64; its outer pixels, 36, are in both."""
    assert boundary_iou(square(4, 16), square(5, 15), (1.5, 1.5), 3.0) == pytest.approx(36 / (80 + 64 - 36))


def test_width_is_in_mm_along_each_axis() -> None:
    """Two pixels of 0.5 mm, the outermost of 3 mm: where two columns wide, all of the frame; else 40 of 64 pixels."""
    whole, hollow = np.ones((10, 10), bool), np.ones((10, 10), bool)
    hollow[1:9, 2:8] = False
    rows, columns, all_of_frame = 4 * 10, 2 * 6, 2 * 10 + 8 * 4
    both = 2 * 10 + 2 * 4 + columns
    assert boundary_iou(whole, hollow, (3.0, 0.5), 1.0) == 1
    assert boundary_iou(whole, hollow, (0.5, 3.0), 1.0) == pytest.approx(both / (rows + columns + all_of_frame - both))


def test_a_wide_boundary_is_the_whole_mask() -> None:
    one, other = square(4, 16), square(6, 18)
    assert boundary_iou(one, other, (1.5, 0.7), 30.0) == pytest.approx((one & other).sum() / (one | other).sum())


def test_slices_beside_are_outside_in_a_volume_and_absent_in_a_picture() -> None:
    one, other = square(2, 18), square(3, 17)
    picture = boundary_iou(one, other, (1.0, 1.0), 2.0)
    volume = boundary_iou(one[np.newaxis], other[np.newaxis], (5.0, 1.0, 1.0), 2.0)
    assert picture == pytest.approx(52 / (112 + 96 - 52))
    assert volume == pytest.approx(14**2 / 16**2)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.lists(st.integers(1, 14), min_size=2, max_size=3),
    width=st.floats(0.2, 8.0),
    slab_voxels=st.integers(1, 600),
)
def test_boundaries_are_those_of_a_distance_transform(
    seed: int, shape: list[int], width: float, slab_voxels: int
) -> None:
    rng = np.random.default_rng(seed)
    spacing = tuple(rng.uniform(0.4, 4, len(shape)).tolist())
    masks = [ndimage.binary_dilation(rng.random(shape) < 0.1, iterations=2) for _ in range(2)]
    one, other = (by_distance_transform(mask, spacing, width) for mask in masks)
    expected = (one & other).sum() / (one | other).sum() if (one | other).any() else math.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boundary, "SLAB_VOXELS", slab_voxels)
        assert boundary_iou(*masks, spacing, width) == pytest.approx(expected, nan_ok=True)


def test_empty_masks() -> None:
    mask, empty = square(4, 16), np.zeros((20, 20), bool)
    assert boundary_iou(mask, empty, (1.0, 1.0), 2.0) == boundary_iou(empty, mask, (1.0, 1.0), 2.0) == 0
    assert math.isnan(boundary_iou(empty, empty, (1.0, 1.0), 2.0))


@pytest.mark.parametrize(("shape", "spacing"), [((20, 19), (1.0, 1.0)), ((20, 20), (1.0, 1.0, 1.0))])
def test_shapes_and_spacings_must_agree(shape: tuple[int, int], spacing: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="spacing per axis"):
        boundary_iou(square(4, 16), np.ones(shape, bool), spacing, 2.0)
