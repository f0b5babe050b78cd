"""Arrays on disk: chunks fit what is read, and a box may reach beyond the array."""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.preprocessing.arrays import choose_chunks, open_array, read_box, write_array


@pytest.mark.parametrize("leading", [(), (2,)])
@pytest.mark.parametrize("start", [(2, 5, 33), (-3, 35, -10), (-2, -2, -2), (50, 0, 0)])
def test_a_box_equals_the_same_box_of_the_padded_array(tmp_path, leading, start):
    array, margin, shape = np.random.default_rng(0).normal(size=(*leading, 19, 40, 70)), 64, (8, 16, 24)
    write_array(tmp_path / "a.b2nd", array, shape)
    padded = np.pad(array, [*[(0, 0)] * len(leading), *[(margin, margin)] * 3])
    expected = padded[(..., *(slice(a + margin, a + margin + n) for a, n in zip(start, shape, strict=True)))]
    read = read_box(open_array(tmp_path / "a.b2nd"), start, shape)
    np.testing.assert_array_equal(read, expected)
    assert read.dtype == array.dtype


def test_chunks_are_whole_blocks_about_as_large_as_a_patch():
    assert choose_chunks((2, 100, 300, 300), (40, 128, 100)) == ((1, 48, 128, 128), (1, 16, 32, 32))
    assert choose_chunks((100, 300, 300), (256, 256)) == ((8, 256, 256), (1, 64, 64))
    assert choose_chunks((1, 5, 40, 50), None) == ((1, 5, 40, 50), (1, 5, 32, 32))
