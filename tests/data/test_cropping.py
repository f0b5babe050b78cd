"""Is the non-zero region found, holes filled, axes in order?"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from autoseg.data.cropping import find_box, find_nonzero_mask


def test_the_box_is_tight_along_each_axis() -> None:
    mask = np.zeros((6, 9, 12), dtype=bool)
    mask[2, 3, 4] = mask[4, 7, 10] = True
    assert find_box(mask) == (slice(2, 5), slice(3, 8), slice(4, 11))


def test_the_box_of_nothing_is_everything() -> None:
    assert find_box(np.zeros((2, 3, 4), dtype=bool)) == (slice(0, 2), slice(0, 3), slice(0, 4))


def test_any_channel_counts() -> None:
    image = np.zeros((2, 6, 9, 12), dtype=np.float32)
    image[0, 1, 2, 3], image[1, 4, 5, 6] = -1.0, 2.0
    assert find_nonzero_mask(image).sum() == 2


def test_a_hole_is_filled_and_a_bay_is_not() -> None:
    image = np.zeros((1, 6, 9, 12), dtype=np.float32)
    image[0, 1:5, 1:8, 1:11] = 1
    image[0, 2:4, 3, 3] = 0
    image[0, 3, 5:, 8] = 0
    mask = find_nonzero_mask(image)
    assert mask[2:4, 3, 3].all()
    assert not mask[3, 5:, 8].any()


@pytest.mark.parametrize("shape", [(6, 9, 12), (1, 9, 12), (2, 9, 12)])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_holes_are_those_of_scipy(shape: tuple[int, ...], share: float) -> None:
    image = (np.random.default_rng(0).random((1, *shape)) < share).astype(np.float32)
    np.testing.assert_array_equal(find_nonzero_mask(image), ndimage.binary_fill_holes(image[0] != 0))
