"""Rotation and scaling, against closed forms and batchgenerators' own interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from batchgenerators.augmentations.utils import interpolate_img
from scipy.interpolate import BSpline
from scipy.ndimage import gaussian_filter, map_coordinates

from autoseg.data.labels import IGNORED
from autoseg.training.turning import (
    CONTROL_SPACING,
    Bend,
    Turn,
    compute_displacements,
    compute_margin,
    compute_matrix,
    compute_points,
    draw_control_points,
    interpolate_labels,
    turn_patch,
)

PATCH = (8, 12, 20)


def make_blobs(shape, n_labels, seed=0):
    smooth = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return np.digitize(smooth, np.quantile(smooth, np.linspace(0, 1, n_labels + 1)[1:-1])).astype(np.int16)


def turn_with_margin(volume, segmentation, turn, patch=PATCH):
    """Cut the middle of a volume as training does: patch and margin, then turn."""
    source = [n + 2 * m for n, m in zip(patch, compute_margin(patch, turn), strict=True)]
    box = tuple(slice((n - s) // 2, (n - s) // 2 + s) for n, s in zip(segmentation.shape, source, strict=True))
    return turn_patch(volume[(slice(None), *box)], segmentation[box], turn, patch)


def make_linear_image(shape, weights):
    """An image that is a linear function of position about its centre: linear interpolation of it is exact."""
    points = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in shape], indexing="ij"))
    return np.tensordot(weights, points, axes=1).astype(np.float32)[None], points


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_quarter_turn_is_the_array_turned_about_that_axis(axis):
    angles = tuple(90.0 if axis == turned else 0.0 for turned in range(3))
    image = np.random.default_rng(0).normal(size=(2, 30, 30, 30)).astype(np.float32)
    segmentation = make_blobs((30, 30, 30), 3)
    plane = tuple(other for other in range(3) if other != axis)
    moved, labels = turn_with_margin(image, segmentation, Turn(angles))
    box = tuple(slice((30 - n) // 2, (30 + n) // 2) for n in PATCH)
    expected = [np.rot90(segmentation, turns, plane)[box] for turns in (1, -1)]
    match = [np.array_equal(labels, array) for array in expected]
    assert any(match)
    turned = np.rot90(image, (1, -1)[match.index(True)], [other + 1 for other in plane])
    np.testing.assert_allclose(moved, turned[(slice(None), *box)], atol=1e-4)


def test_a_linear_image_is_turned_and_scaled_exactly():
    turn, weights = Turn((10.0, -20.0, 35.0), 1.3), np.array([1.0, 2.0, -3.0])
    image, _ = make_linear_image((40, 44, 48), weights)
    moved, _ = turn_with_margin(image, np.zeros(image.shape[1:], np.int16), turn)
    _, points = make_linear_image(PATCH, weights)
    expected = np.tensordot(weights @ compute_matrix(turn), points, axes=1)
    np.testing.assert_allclose(moved[0], expected, atol=1e-3)


def test_the_matrix_is_a_rotation_times_the_scale():
    matrix = compute_matrix(Turn((10.0, -20.0, 35.0), 1.3))
    np.testing.assert_allclose(matrix @ matrix.T, 1.3**2 * np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.3**3)


@pytest.mark.parametrize("turn", [Turn((25.0, -14.0, 29.0), 1.37), Turn((0.0, 0.0, 29.0), 0.8), Turn((170.0,), 1.2)])
def test_the_margin_is_enough_and_no_voxel_more(turn):
    matrix = compute_matrix(turn)
    half = (np.array(PATCH[-len(matrix) :]) - 1) / 2
    corners = np.array(np.meshgrid(*[(-h, h) for h in half])).reshape(len(half), -1)
    reach = np.abs(matrix @ corners).max(axis=1) - half
    margin = np.array(compute_margin(PATCH, turn)[-len(matrix) :])
    assert np.all(margin >= reach - 1e-6)
    assert np.all((margin == 0) | (margin < reach + 1))


def test_a_patch_that_is_not_turned_needs_no_margin():
    assert compute_margin(PATCH, Turn((0.0, 0.0, 0.0))) == (0, 0, 0)
    assert compute_margin(PATCH, Turn((0.0, 0.0, 0.0), 0.7)) == (0, 0, 0)


def test_corners_of_a_turned_patch_show_image_and_not_padding():
    image = np.ones((1, 60, 60, 60), dtype=np.float32)
    moved, labels = turn_with_margin(image, np.ones((60, 60, 60), np.int16), Turn((30.0, 30.0, 30.0), 1.4))
    assert (moved.min(), labels.min()) == (1.0, 1)


def test_an_in_plane_turn_leaves_each_slice_to_itself():
    turn = Turn((33.0,), 1.2)
    assert compute_margin(PATCH, turn)[0] == 0
    segmentation = np.broadcast_to(np.arange(8, dtype=np.int16)[:, None, None], (8, 50, 50))
    moved, labels = turn_with_margin(segmentation[None].astype(np.float32), segmentation, turn)
    np.testing.assert_array_equal(labels, np.broadcast_to(np.arange(8)[:, None, None], PATCH))
    np.testing.assert_allclose(moved[0], labels, atol=1e-5)


def test_a_slice_of_a_pile_is_turned_as_a_picture_is():
    turn, image = Turn((33.0,), 1.2), np.random.default_rng(1).normal(size=(1, 8, 50, 60)).astype(np.float32)
    segmentation = make_blobs((8, 50, 60), 3)
    pile, labels = turn_with_margin(image, segmentation, turn)
    picture, picture_labels = turn_with_margin(image[:, 5], segmentation[5], turn, PATCH[1:])
    np.testing.assert_array_equal(pile[:, 5], picture)
    np.testing.assert_array_equal(labels[5], picture_labels)


@pytest.mark.parametrize("shape", [(11, 17, 23), (40, 50)])
@pytest.mark.parametrize("n_labels", [2, 5, 12])
def test_labels_are_those_of_the_largest_interpolated_share(shape, n_labels):
    segmentation = make_blobs(shape, n_labels)
    points = np.random.default_rng(2).random((4000, len(shape))).T * (np.array(shape) - 1)[:, None]
    expected = interpolate_img(segmentation, points, 1, "nearest", is_seg=True)
    np.testing.assert_array_equal(interpolate_labels(segmentation[None], points)[0], expected)


def test_ignored_voxels_stay_ignored_and_outside_is_background():
    segmentation = np.full((1, 6, 9), IGNORED, dtype=np.int16)
    points = np.array([[2.4, -5.0, 2.0], [3.3, 3.0, 99.0]])
    assert interpolate_labels(segmentation, points).tolist() == [[IGNORED, 0, 0]]


def test_scaling_above_one_shows_more_and_smaller():
    cube = np.zeros((40, 40, 40), dtype=np.int16)
    cube[10:30, 10:30, 10:30] = 1
    _, labels = turn_with_margin(cube[None].astype(np.float32), cube, Turn((0.0, 0.0, 0.0), 1.25), (24, 20, 28))
    assert labels.sum() == 16**3


def test_displacements_are_cubic_b_splines_of_the_control_points():
    bend, n = Bend(7, 3.0), 41
    points = draw_control_points(bend, (1, n))[1]
    knots = CONTROL_SPACING * (np.arange(points.shape[1] + 4) - 3)
    spline = BSpline(knots, points[:, :].T, 3)
    along = np.arange(n) - (n - 1) / 2 + CONTROL_SPACING * (points.shape[1] - 3) / 2
    middle = np.array([1, 4, 1, 0]) / 6  # of one voxel along the other axis, half a cell from its grid's border
    half = np.array([1, 23, 23, 1]) / 48
    assert points.shape[0] == len(middle)
    np.testing.assert_allclose(compute_displacements(bend, (1, n))[1, 0], spline(along) @ half, atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 56, 40), (1, 17, 90), (33, 20)])
def test_no_voxel_is_displaced_farther_than_the_magnitude_and_some_are_far(shape):
    reach = [np.abs(compute_displacements(Bend(seed, 4.0), shape)).max() for seed in range(20)]
    assert 1.2 < min(reach) <= max(reach) <= 4.0
    np.testing.assert_array_equal(
        compute_displacements(Bend(1, 4.0), shape), compute_displacements(Bend(1, 4.0), shape)
    )


def test_a_bend_of_six_voxels_folds_nothing():
    for seed in range(10):
        field = compute_displacements(Bend(seed, 6.4), (40, 56, 40)) + np.indices((40, 56, 40))
        jacobian = np.stack([np.stack(np.gradient(axis), axis=-1) for axis in field], axis=-1)
        assert np.linalg.det(jacobian).min() > 0


@pytest.mark.parametrize("turn", [Turn((20.0, -10.0, 35.0), 1.3, Bend(2, 4.0)), Turn((33.0,), 0.8, Bend(2, 4.0))])
def test_a_bent_patch_is_the_source_read_once_at_displaced_and_turned_points(turn):
    volume = np.random.default_rng(0).normal(size=(1, 60, 60, 60)).astype(np.float32)
    moved, _ = turn_with_margin(volume, np.zeros((60, 60, 60), np.int16), turn)
    n_axes = len(compute_matrix(turn))
    half = (np.array(PATCH)[-n_axes:, None] - 1) / 2
    target = PATCH[-n_axes:]
    points = (np.indices(target) + compute_displacements(turn.bend, target)).reshape(n_axes, -1) - half
    points = (compute_matrix(turn) @ points + 29.5).reshape(n_axes, *target)
    slices = [volume[0]] if n_axes == 3 else volume[0, 26:34]
    expected = np.stack([map_coordinates(part, points, order=1) for part in slices])
    np.testing.assert_allclose(moved[0], expected.reshape(PATCH), atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_margin_holds_every_point_of_a_bent_patch(seed):
    turn = Turn((25.0, -14.0, 29.0), 1.37, Bend(seed, 4.0))
    source = tuple(n + 2 * m for n, m in zip(PATCH, compute_margin(PATCH, turn), strict=True))
    points = compute_points(turn, source, PATCH)
    assert points.min() >= 0
    assert np.all(points.max(axis=1) <= np.array(source) - 1)
