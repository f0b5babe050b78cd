"""Where windows lie, what their voxels weigh, and which of them show one value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoseg.prediction.windows.placing import (
    compute_importance,
    compute_window_starts,
    cut_windows,
    group_windows,
    place_windows,
)


def naive_starts(size: int, patch: int, step: float) -> list[int]:
    """The fewest evenly spread windows that are at most a step apart, found by trying."""
    n = 1
    while (size - patch) / max(1, n - 1) > max(1, patch * step) or (n == 1 and size > patch):
        n += 1
    return [round((size - patch) * i / max(1, n - 1)) for i in range(n)]


@pytest.mark.parametrize(("size", "patch", "step"), [(10, 10, 0.5), (11, 10, 0.5), (64, 16, 0.5), (100, 32, 0.25)])
def test_windows_cover_the_axis_in_even_steps(size, patch, step):
    (starts,) = compute_window_starts((size,), (patch,), step)
    assert starts[0] == 0
    assert starts[-1] == size - patch
    assert list(starts) == naive_starts(size, patch, step)
    assert len(starts) == math.ceil((size - patch) / (patch * step)) + 1


@pytest.mark.parametrize("patch", [(24, 16, 8), (7, 40, 3), (1, 12, 200)])
def test_importance_is_one_in_the_middle_and_never_vanishes(patch):
    importance = compute_importance(patch)
    assert importance.argmax() == np.ravel_multi_index([n // 2 for n in patch], importance.shape)
    assert importance.max() == 1
    assert importance.min() >= np.float32(1e-12)
    beside = importance[patch[0] // 2, patch[1] // 2 + 1, patch[2] // 2]
    assert beside == pytest.approx(math.exp(-0.5 * (8 / patch[1]) ** 2), rel=1e-6)


def test_corners_alone_still_divide_out():
    importance = compute_importance((24, 16, 8))
    assert importance[0, 0, 0] == pytest.approx(math.exp(-24), rel=1e-5)
    assert importance[0, 0, 0] * np.float32(3) / importance[0, 0, 0] == 3


@settings(deadline=None, max_examples=40)
@given(st.tuples(*[st.integers(1, 16)] * 3), st.tuples(*[st.integers(1, 9)] * 3), st.floats(0.3, 1.0))
def test_every_voxel_is_seen_and_lies_where_the_window_says(shape, patch, step):
    volume = np.arange(1, math.prod(shape) + 1, dtype=np.float32).reshape(1, *shape)
    windows = place_windows(shape, patch, step)
    shown = cut_windows(volume, windows, patch, np.dtype(np.float32))
    seen = np.zeros(shape, dtype=bool)
    for window, values in zip(windows, shown[:, 0], strict=True):
        np.testing.assert_array_equal(values[window.within], volume[(0, *window.inside)])
        assert (values > 0).sum() == volume[(0, *window.inside)].size
        assert window.is_padded == bool((values == 0).any())
        seen[window.inside] = True
    assert seen.all()


def test_a_small_image_lies_in_the_middle_of_its_padding():
    (window,) = place_windows((3, 4, 7), (6, 4, 8))
    assert window.start == (-1, 0, 0)
    assert window.within == (slice(1, 4), slice(0, 4), slice(0, 7))


def test_constant_windows_are_grouped_by_value():
    image = np.zeros((2, 4, 4, 40), dtype=np.float32)
    image[1, ..., 20:] = 3
    grouped = group_windows(place_windows((4, 4, 40), (4, 4, 8), 1.0), [image])
    assert [window.start[2] for window in grouped.varied] == [16]
    assert [[window.start[2] for window in alike] for alike in grouped.constant] == [[0, 8], [24, 32]]


def test_what_is_not_a_number_is_never_skipped():
    image = np.full((1, 4, 4, 40), np.nan, dtype=np.float32)
    assert group_windows(place_windows((4, 4, 40), (4, 4, 8)), [image]).constant == ()
