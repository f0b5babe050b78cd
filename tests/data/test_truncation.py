"""Is a file that ends early told from one that only looks unusual?"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from autoseg.data.geometry import Geometry
from autoseg.data.image_io import read_image, write_volume
from autoseg.data.truncation import require_whole
from autoseg.errors import DatasetError

GEOMETRY = Geometry((3, 5, 7), (7.5, 1.25, 0.5))
VOLUME = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32)


def nifti2(n_bytes: int) -> bytes:
    """A NIfTI-2 header of 3 x 5 x 7 float32 voxels, followed by `n_bytes`."""
    header = bytearray(544)
    struct.pack_into("<i", header, 0, 540)
    struct.pack_into("<h", header, 14, 32)
    struct.pack_into("<8q", header, 16, 3, 7, 5, 3, 1, 1, 1, 1)
    struct.pack_into("<q", header, 168, 544)
    return bytes(header) + bytes(n_bytes)


def test_a_file_of_several_gzip_members_is_whole(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.nii", VOLUME, GEOMETRY)
    content = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
    np.testing.assert_array_equal(read_image([tmp_path / "b.nii.gz"])[0][0], VOLUME)


def test_content_that_was_cut_before_compression_is_noticed(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.nii", VOLUME, GEOMETRY)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()[:-8]))
    with pytest.raises(DatasetError, match=r"it holds 764 of 772 bytes"):
        require_whole(tmp_path / "b.nii.gz")


def test_nifti_2_counts_its_own_way(tmp_path: Path) -> None:
    (tmp_path / "whole.nii").write_bytes(nifti2(4 * 3 * 5 * 7))
    (tmp_path / "half.nii").write_bytes(nifti2(2 * 3 * 5 * 7))
    require_whole(tmp_path / "whole.nii")
    with pytest.raises(DatasetError, match="it holds 754 of 964 bytes"):
        require_whole(tmp_path / "half.nii")


def test_what_is_no_nifti_is_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_text("hello")
    assert require_whole(tmp_path / "a.nii") is None  # type: ignore[func-returns-value]
