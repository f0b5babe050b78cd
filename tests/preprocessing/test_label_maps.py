"""A label map alone: one file, read in patches."""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.errors import WorkspaceError
from autoseg.preprocessing.label_maps import open_labels, read_label_patch, write_labels


@pytest.mark.parametrize("start", [(2, 5, 33), (-3, 35, -10), (50, 0, 0)])
def test_a_label_map_alone_is_read_in_patches(tmp_path, start):
    margin, shape = 64, (8, 16, 24)
    labels = np.random.default_rng(0).choice([0, 1, 300], size=(19, 40, 70))
    write_labels(tmp_path / "a.b2nd", labels, patch_size=shape)
    box = tuple(slice(a + margin, a + margin + n) for a, n in zip(start, shape, strict=True))
    patch = read_label_patch(open_labels(tmp_path / "a.b2nd"), start, shape)
    np.testing.assert_array_equal(patch, np.pad(labels, margin)[box])
    assert patch.dtype == np.int16
    assert [path.name for path in tmp_path.iterdir()] == ["a.b2nd"]


def test_a_missing_label_map_is_named(tmp_path):
    with pytest.raises(WorkspaceError, match=r"a\.b2nd: is missing"):
        open_labels(tmp_path / "a.b2nd")
