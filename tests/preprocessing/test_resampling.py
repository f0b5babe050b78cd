"""Separable resampling against scipy's n-dimensional zoom and against one-hot masks with argmax."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from autoseg.data.labels import IGNORED
from autoseg.preprocessing.resampling import TIE, compute_matrix, find_label_boxes, resample, resample_labels

SHAPES = st.tuples(*[st.integers(1, 24)] * 3)


def make_volume(shape: tuple[int, ...], seed: int = 0, offset: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=shape) + offset).astype(np.float32)


def zoom_all_axes(volume: np.ndarray, shape: tuple[int, ...], order: int) -> np.ndarray:
    """The n-dimensional spline in float64, clipped to the input's range."""
    factors = [n_out / n_in for n_out, n_in in zip(shape, volume.shape, strict=True)]
    zoomed = ndimage.zoom(volume.astype(np.float64), factors, order=order, mode="nearest", grid_mode=True)
    return np.clip(zoomed, volume.min(), volume.max())


@settings(max_examples=80, deadline=None)
@given(SHAPES, SHAPES, st.integers(0, 3))
def test_equals_the_n_dimensional_spline(shape, new_shape, order):
    volume = make_volume(shape)
    expected = zoom_all_axes(volume, new_shape, order)
    resampled = resample(volume, new_shape, order)
    assert resampled.shape == new_shape
    assert resampled.dtype == np.float32
    assert np.abs(resampled - expected).max() <= 1e-4 * max(np.ptp(volume), 1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(1, 50)] * 3), st.tuples(*[st.floats(0.3, 4.0)] * 3), st.integers(0, 3), st.integers(0, 2)
)
def test_equals_the_spline_over_factors_with_a_flat_axis(shape, factors, order, flat):
    volume = make_volume(tuple(1 if axis == flat else length for axis, length in enumerate(shape)))
    new_shape = tuple(max(1, round(n * factor)) for n, factor in zip(volume.shape, factors, strict=True))
    expected = zoom_all_axes(volume, new_shape, order)
    assert np.abs(resample(volume, new_shape, order) - expected).max() <= 1e-4 * max(np.ptp(volume), 1e-6)


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize(
    ("shape", "new_shape"),
    [((1, 1, 1), (5, 7, 9)), ((5, 7, 9), (1, 1, 1)), ((1, 30, 1), (4, 1, 3)), ((6, 1, 8), (1, 12, 1))],
)
def test_equals_the_spline_from_and_to_axes_of_one_voxel(shape, new_shape, order):
    volume = make_volume(shape)
    expected = zoom_all_axes(volume, new_shape, order)
    np.testing.assert_allclose(resample(volume, new_shape, order), expected, atol=1e-4 * max(np.ptp(volume), 1e-6))


@pytest.mark.parametrize("order", [1, 3])
def test_hounsfield_units_with_an_offset_of_100_000_stay_within_a_ten_thousandth(order):
    volume = make_volume((9, 40, 30)) * 500 + 100_000
    expected = zoom_all_axes(volume, (14, 31, 52), order)
    assert np.abs(resample(volume, (14, 31, 52), order) - expected).max() <= 1e-4 * np.ptp(volume)


@pytest.mark.parametrize("new_shape", [(60, 160, 150), (24, 60, 70), (60, 70, 150)])
def test_no_more_than_three_copies_are_held(new_shape):
    volume = make_volume((40, 100, 110))
    resample(volume, new_shape, 3)  # the matrices are kept
    tracemalloc.start()
    resample(volume, new_shape, 3)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes + volume.nbytes <= 3 * 4 * max(np.prod(new_shape), volume.size)


@pytest.mark.parametrize(("shape", "new_shape"), [((5, 150, 90), (7, 96, 201)), ((70, 1, 64), (131, 4, 64))])
def test_equals_the_spline_over_several_blocks_of_rows(shape, new_shape):
    volume = make_volume(shape)
    expected = zoom_all_axes(volume, new_shape, 3)
    np.testing.assert_allclose(resample(volume, new_shape, 3), expected, atol=1e-4 * np.ptp(volume))


def test_a_large_offset_costs_no_digits():
    volume = make_volume((6, 20, 30), offset=10_000.0)
    expected = zoom_all_axes(volume, (9, 13, 41), 3)
    assert np.abs(resample(volume, (9, 13, 41), 3) - expected).max() <= 4e-4 * np.ptp(volume)


def test_overshoot_is_clipped_to_the_range_of_the_input():
    step = np.zeros((3, 8, 10), dtype=np.float32)
    step[..., 5:] = 1
    resampled = resample(step, (3, 8, 37), 3)
    assert resampled.min() == 0
    assert resampled.max() == 1


def test_with_a_separate_axis_each_slice_keeps_its_own_range():
    volume = np.random.default_rng(4).normal(size=(5, 9, 12)).astype(np.float32) + 100 * np.arange(5)[:, None, None]
    result = resample(volume, (9, 17, 20), 3, separate_axis=0)
    for row, source in zip(result, (0, 0, 1, 1, 2, 3, 3, 4, 4), strict=True):
        spline = ndimage.zoom(volume[source], (17 / 9, 20 / 12), order=3, mode="nearest", grid_mode=True)
        expected = np.clip(spline, volume[source].min(), volume[source].max())
        assert np.abs(row - expected).max() < 1e-4


def test_an_equal_shape_gives_an_independent_copy():
    volume = make_volume((3, 4, 5))
    copied = resample(volume, (3, 4, 5), 3)
    copied[0, 0, 0] = 99
    assert volume[0, 0, 0] != 99


def test_the_input_is_left_alone():
    volume = make_volume((3, 8, 5))
    before = volume.copy()
    resample(volume, (5, 6, 7), 3)
    np.testing.assert_array_equal(volume, before)


def test_every_row_of_a_matrix_is_a_weighted_mean():
    for order in range(4):
        np.testing.assert_allclose(compute_matrix(13, 29, order).sum(axis=1), 1, atol=1e-5)


def make_labels(shape: tuple[int, ...], n_labels: int, seed: int = 1) -> np.ndarray:
    """Lumps of labels, some of them ignored."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    ranks = np.argsort(np.argsort(noise.ravel())).reshape(shape)
    return (ranks * n_labels // noise.size + IGNORED).astype(np.int16)


def vote_one_hot(segmentation: np.ndarray, new_shape: tuple[int, ...], orders: tuple[int, ...]) -> np.ndarray:
    """Interpolate all masks at once in float64, axis by axis; the first of the largest weights wins.

    Ignored is what is ignored by more than half, whatever the others weigh.
    """
    labels = np.unique(segmentation)
    weights = np.stack([segmentation == label for label in labels]).astype(np.float64)
    for axis, (n_out, order) in enumerate(zip(new_shape, orders, strict=True), start=1):
        factors = [n_out / weights.shape[axis] if a == axis else 1 for a in range(4)]
        weights = ndimage.zoom(weights, factors, order=order, mode="nearest", grid_mode=True)
    is_ignored = weights[labels == IGNORED].sum(axis=0) > 0.5 + TIE
    weights[labels == IGNORED] = np.where(is_ignored, np.inf, -np.inf)
    return labels[(weights >= weights.max(axis=0) - TIE / 2).argmax(axis=0)]


@settings(max_examples=40, deadline=None)
@given(SHAPES, SHAPES, st.integers(1, 7), st.sampled_from([None, 0, 2]), st.integers(0, 1))
def test_labels_equal_one_hot_and_argmax(shape, new_shape, n_labels, separate_axis, order):
    segmentation = make_labels(shape, n_labels)
    resampled = resample_labels(segmentation, new_shape, order, separate_axis=separate_axis)
    orders = tuple(0 if axis == separate_axis else order for axis in range(3))
    assert resampled.dtype == np.int16
    np.testing.assert_array_equal(resampled, vote_one_hot(segmentation, new_shape, orders))


@pytest.mark.parametrize("new_shape", [(23, 20, 9), (5, 14, 22), (13, 9, 30)])
def test_labels_found_slab_by_slab_are_those_of_the_whole(monkeypatch, new_shape):
    segmentation = make_labels((13, 16, 18), 5)
    whole = resample_labels(segmentation, new_shape)
    monkeypatch.setattr("autoseg.preprocessing.resampling.SLAB_VOXELS", 400)
    np.testing.assert_array_equal(resample_labels(segmentation, new_shape), whole)
    np.testing.assert_array_equal(whole, vote_one_hot(segmentation, new_shape, (1, 1, 1)))


def test_memory_of_labels_grows_with_neither_the_volume_nor_their_number(monkeypatch):
    monkeypatch.setattr("autoseg.preprocessing.resampling.SLAB_VOXELS", 1 << 14)
    segmentation, new_shape = make_labels((40, 60, 60), 30), (80, 90, 70)
    resample_labels(segmentation, new_shape)
    tracemalloc.start()
    resample_labels(segmentation, new_shape)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 2 * 2 * np.prod(new_shape)  # the result, and as much again


def test_equal_weights_go_to_the_smaller_label():
    segmentation = np.array([[[2, 1]]], dtype=np.int16)
    assert resample_labels(segmentation, (1, 1, 1), 1).item() == 1


# What resample_data_or_seg of nnU-Net 2.8.1 (batchgenerators 0.25.5) returned for integers.
NNUNET_LABELS = np.array(
    [
        [[2, 1, 1, 2, 1, 2], [2, -1, -1, 0, 0, 2], [2, -1, 0, 2, -1, 2]],
        [[-1, 0, 2, 0, 0, 0], [1, 0, 2, 0, 0, 1], [1, 1, 1, 2, 2, 2]],
    ]
)


@pytest.mark.parametrize(
    ("labels", "axis", "expected"),
    [
        ([[[0, 0, 0, 1, 1, 1, 1, 1]]], None, [[[0, 1, 1, 1]]]),
        ([[[2, 1, 1, 1, 3, 3, 1, 0]]], None, [[[2, 1, 1, 1, 1, 1, 3, 3, 3, 1, 0, 0]]]),
        (NNUNET_LABELS, None, [[[0, 2, 0], [0, 0, 0], [1, 2, 2]]]),
        (
            NNUNET_LABELS,
            None,
            [
                [[1, 2, 2], [2, 2, 2], [2, 0, 2], [-1, 0, 2], [-1, 0, 2], [-1, 2, 2]],
                [[0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 2, 1], [1, 2, 2], [1, 2, 2]],
            ],
        ),
        (
            NNUNET_LABELS,
            0,
            [[[2, 1, 2, 2], [2, -1, 0, 2], [2, 0, 2, 2]]] * 2 + [[[-1, 2, 0, 0], [1, 2, 0, 1], [1, 1, 2, 2]]] * 2,
        ),
    ],
)
@pytest.mark.parametrize("slab_voxels", [1, 1 << 20])
def test_the_vote_of_the_nearest_equals_nnunets(monkeypatch, labels, axis, expected, slab_voxels):
    """Of equal weights the nearest voxel's label wins, of what is left the smallest, and -1 is one of the labels."""
    monkeypatch.setattr("autoseg.preprocessing.resampling.SLAB_VOXELS", slab_voxels)
    segmentation, shape = np.array(labels, dtype=np.int16), np.shape(expected)
    result = resample_labels(segmentation, shape, 1, separate_axis=axis, vote="nearest")
    np.testing.assert_array_equal(result, expected)


def test_a_label_that_nearest_neighbours_jump_over_vanishes():
    segmentation = np.zeros((1, 3, 9), dtype=np.int16)
    segmentation[:, :, 3] = 5
    assert set(np.unique(resample_labels(segmentation, (1, 3, 3), 0))) == {0}


@pytest.mark.parametrize("n_slices", [5, 7, 10, 15, 20])
def test_a_slice_among_ignored_ones_is_not_lost_for_being_alone(n_slices):
    """On half as many slices each lies between two; where it is its own neighbour's equal, it is annotated."""
    segmentation = np.full((10, 6, 8), IGNORED, dtype=np.int16)
    annotated = np.where(np.arange(8) < 3, 2, 0)
    segmentation[4] = annotated
    resampled = resample_labels(segmentation, (n_slices, 6, 8))
    kept = (resampled != IGNORED).any(axis=(1, 2))
    centres = (np.arange(n_slices) + 0.5) * 10 / n_slices - 0.5
    np.testing.assert_array_equal(kept, np.abs(centres - 4) <= 0.5 + 1e-9)
    assert (resampled[kept] == annotated).all()
    assert np.isin(resampled, [IGNORED, 0, 2]).all()


def test_label_boxes_come_in_order_and_fit():
    segmentation = np.zeros((3, 5, 7), dtype=np.int16)
    segmentation[1, 2:4, 6] = 3
    segmentation[0, 0, 0] = IGNORED
    boxes = dict(find_label_boxes(segmentation))
    assert list(boxes) == [-1, 0, 3]
    assert boxes[3] == (slice(1, 2), slice(2, 4), slice(6, 7))
