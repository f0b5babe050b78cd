"""Surface metrics against closed forms, all pairs of elements, and DeepMind's own `surface-distance`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from autoseg.data.image_io import read_segmentation
from autoseg.evaluation.surface import SurfaceDistances, measure_surfaces
from autoseg.evaluation.surface_elements import find_elements, measure_areas

SPACING = (3.0, 1.5, 0.7)


def box(x_start: int, x_stop: int) -> np.ndarray:
    mask = np.zeros((7, 10, 16), bool)
    mask[2:6, 3:9, x_start:x_stop] = True
    return mask


def random_mask(seed: int, shape: tuple[int, ...], threshold: float = 0.05) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1) > threshold


def test_box_shifted_by_two_voxels() -> None:
    """Its corners form 5 x 7 x 9 points: 20 on a ring, 15 within it on each end."""
    surfaces = measure_surfaces(box(4, 12), box(6, 14), SPACING)
    places, counts = np.unique(surfaces.to_predicted.round(9), return_counts=True)
    assert dict(zip(places.tolist(), counts.tolist(), strict=True)) == {0: 20 * 7, 0.7: 20, 1.4: 20 + 2 * 15}
    assert surfaces.hausdorff(100) == pytest.approx(1.4)
    assert surfaces.surface_dice(1.4) == 1
    assert surfaces.surface_dice(1.39) < surfaces.surface_dice(1.4)


def test_a_tolerance_of_three_voxels_holds_three_voxels() -> None:
    """Although 3 x 0.7 is a little more than 2.1, and a spacing of 0.7 is stored as 0.699999988."""
    for spacing in (0.7, float(np.float32(0.7)), float(np.float32(0.1)) * 7):
        assert measure_surfaces(box(4, 12), box(7, 15), (3.0, 2.5, spacing)).surface_dice(2.1) == 1


def test_voxels_apart() -> None:
    one, other = np.zeros((5, 6, 9), bool), np.zeros((5, 6, 9), bool)
    one[1, 1, 1], other[3, 4, 7] = True, True
    surfaces = measure_surfaces(one, other, SPACING)
    near, far = math.hypot(3, 3, 3.5), math.hypot(6, 4.5, 4.2)
    assert surfaces.to_predicted.min() == pytest.approx(near)
    assert surfaces.hausdorff(100) == pytest.approx(far)
    assert near < surfaces.mean_distance() < far


def test_concentric_spheres_are_as_far_apart_as_their_radii() -> None:
    """Up to half the diagonal of a voxel for each, as a sphere passes an element at a corner no farther away."""
    z, y, x = np.ogrid[-15:16, -25:26, -25:26]
    radius = np.sqrt((2 * z) ** 2 + y**2 + x**2)
    surfaces = measure_surfaces(radius < 24, radius < 17, (2.0, 1.0, 1.0))
    half_a_diagonal = math.hypot(2, 1, 1) / 2
    assert surfaces.mean_distance() == pytest.approx(7, abs=half_a_diagonal)
    assert surfaces.hausdorff(100) == pytest.approx(7, abs=2 * half_a_diagonal)
    assert surfaces.surface_dice(7 - 2 * half_a_diagonal) == 0


def test_percentile_and_mean_weigh_by_area() -> None:
    """Nine tenths of the reference lie at 1 mm although most of its elements are at 5."""
    areas = np.array([9.0, 0.25, 0.25, 0.25, 0.25])
    surfaces = SurfaceDistances(np.array([1.0, 5, 5, 5, 5]), areas, np.array([2.0]), np.array([5.0]))
    assert surfaces.hausdorff(90) == 2
    assert surfaces.hausdorff(91) == 5
    assert surfaces.mean_distance() == pytest.approx((9 * 1 + 1 * 5 + 5 * 2) / 15)
    assert surfaces.surface_dice(2) == pytest.approx(14 / 15)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 6), min_size=2, max_size=3), st.floats(0, 6))
def test_all_pairs_of_elements(seed: int, shape: list[int], tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    masks, spacing = [rng.random(shape) < 0.3 for _ in range(2)], tuple(rng.uniform(0.4, 4, len(shape)))
    assume(all(mask.any() for mask in masks))
    grid = tuple(length + 1 for length in shape)
    (places, codes), (other_places, other_codes) = map(find_elements, masks)
    pairs = cdist(*(np.transpose(np.unravel_index(at, grid)) * spacing for at in (places, other_places)))
    distances = np.concatenate([pairs.min(axis=1), pairs.min(axis=0)])
    areas = measure_areas(spacing)[np.concatenate([codes, other_codes])]
    surfaces = measure_surfaces(*masks, spacing)
    assert surfaces.mean_distance() == pytest.approx(np.average(distances, weights=areas))
    assert surfaces.hausdorff(100) == pytest.approx(distances.max())
    assume(abs(distances - tolerance).min() > 1e-4)
    assert surfaces.surface_dice(tolerance) == pytest.approx(areas[distances <= tolerance].sum() / areas.sum())


@pytest.mark.parametrize("axes", [(2, 0, 1), (1, 2, 0)])
def test_axes_and_sides_may_change_places(axes: tuple[int, int, int]) -> None:
    reference, predicted = random_mask(1, (6, 9, 12)), random_mask(2, (6, 9, 12), 0.1)
    turned = measure_surfaces(predicted.transpose(axes), reference.transpose(axes), [SPACING[axis] for axis in axes])
    surfaces = measure_surfaces(reference, predicted, SPACING)
    for one, other in zip(scores_of(surfaces), scores_of(turned), strict=True):
        assert one == pytest.approx(other)


def scores_of(surfaces: SurfaceDistances) -> list[float]:
    return [surfaces.hausdorff(), surfaces.mean_distance(), surfaces.surface_dice(1), surfaces.surface_dice(2)]


def test_equal_masks() -> None:
    mask = random_mask(1, (6, 9, 12))
    assert scores_of(measure_surfaces(mask, mask, SPACING)) == [0, 0, 1, 1]


def test_one_empty_mask_is_infinitely_far() -> None:
    mask, empty = box(4, 12), np.zeros_like(box(4, 12))
    for one, other in ((mask, empty), (empty, mask)):
        assert scores_of(measure_surfaces(one, other, SPACING)) == [math.inf, math.inf, 0, 0]


@pytest.mark.parametrize(
    ("reference", "predicted", "problem"),
    [
        (np.zeros((2, 3, 4), bool), np.zeros((2, 3, 4), bool), "both masks are empty"),
        (np.ones((2, 3, 4), bool), np.ones((2, 4, 3), bool), "shape"),
        (np.ones((3, 4), bool), np.ones((3, 4), bool), "2 axes and 3 spacings"),
    ],
)
def test_what_cannot_be_compared(reference: np.ndarray, predicted: np.ndarray, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        measure_surfaces(reference, predicted, SPACING)


def require_agreement(reference: np.ndarray, predicted: np.ndarray, spacing: tuple[float, ...]) -> None:
    """DeepMind's package, which gives the mean distance per direction."""
    deepmind: Any = pytest.importorskip("surface_distance", reason="surface-distance is not installed (extra `test`)")
    theirs = deepmind.compute_surface_distances(reference, predicted, spacing)
    ours = measure_surfaces(reference, predicted, spacing)
    for percentile in (50, 95, 100):
        assert ours.hausdorff(percentile) == pytest.approx(
            deepmind.compute_robust_hausdorff(theirs, percentile), abs=1e-12
        )
    for tolerance in (0.5, 1.0, 2.0):
        expected = deepmind.compute_surface_dice_at_tolerance(theirs, tolerance)
        assert ours.surface_dice(tolerance) == pytest.approx(expected, abs=1e-12)
    weights = [theirs["surfel_areas_gt"].sum(), theirs["surfel_areas_pred"].sum()]
    means = deepmind.compute_average_surface_distance(theirs)
    assert ours.mean_distance() == pytest.approx(np.average(means, weights=weights), abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("shape", [(7, 19, 12), (23, 31)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_random_masks_agree_with_surface_distance(seed: int, shape: tuple[int, ...]) -> None:
    spacing = tuple(np.random.default_rng(seed).uniform(0.4, 4, len(shape)).tolist())
    require_agreement(random_mask(seed, shape), random_mask(seed + 100, shape, 0.1), spacing)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_mask_at_the_border_agrees_with_surface_distance() -> None:
    require_agreement(np.ones((4, 5, 6), bool), random_mask(1, (4, 5, 6), -0.2), SPACING)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_hippocampi_agree_with_surface_distance(shared_data: Path) -> None:
    for path in sorted((shared_data / "Dataset004_Hippocampus" / "labelsTr").glob("*.nii.gz"))[:6]:
        segmentation, _ = read_segmentation(path)
        for reference in (segmentation == 1, segmentation == 2):
            require_agreement(reference, np.roll(reference, (1, 2, -1), (0, 1, 2)), SPACING)
            require_agreement(reference, ndimage.binary_erosion(reference), (1.0, 1.0, 1.0))
