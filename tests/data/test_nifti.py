"""Are voxels decoded as ITK decodes them, and is what ITK hides seen?"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from autoseg.data.image_io import read_image
from autoseg.data.nifti import parse_nifti_header, read_voxels
from autoseg.errors import DatasetError

SHAPE = (3, 5, 7)
TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


def save(path: Path, dtype: str = "int16", shape: tuple[int, ...] = SHAPE) -> Path:
    array = np.random.default_rng(0).integers(0, 100, size=shape).astype(dtype)
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=False), str(path))
    return path


def set_scaling(path: Path, slope: float, intercept: float) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into("<2f", content, 112, slope, intercept)
    path.write_bytes(content)


def swap_bytes(path: Path) -> None:
    """Write a little-endian NIfTI-1 file of int16 voxels as a big-endian machine would."""
    content = path.read_bytes()
    header = bytearray(content[:352])
    for start, kind in ((0, "i"), (40, "8h"), (70, "2h"), (76, "8f"), (108, "3f"), (252, "2h"), (256, "18f")):
        struct.pack_into(">" + kind, header, start, *struct.unpack_from("<" + kind, content, start))
    path.write_bytes(bytes(header) + np.frombuffer(content, "<i2", offset=352).astype(">i2").tobytes())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_every_type_is_read_as_itk_does(tmp_path: Path, dtype: str, ending: str) -> None:
    path = save(tmp_path / f"a{ending}", dtype)
    voxels = read_voxels(path)
    assert voxels is not None
    assert voxels.dtype == dtype
    np.testing.assert_array_equal(voxels, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize(("slope", "intercept"), [(0.25, -1024.0), (0.0, 0.0), (1.0, 3.0)])
def test_scaling_is_that_of_itk(tmp_path: Path, dtype: str, slope: float, intercept: float) -> None:
    path = save(tmp_path / "a.nii", dtype)
    set_scaling(path, slope, intercept)
    np.testing.assert_allclose(read_voxels(path), sitk.GetArrayFromImage(sitk.ReadImage(str(path))), rtol=1e-6)


def test_big_endian_files_are_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii")
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    swap_bytes(path)
    np.testing.assert_array_equal(read_voxels(path), expected)
    np.testing.assert_array_equal(read_image([path])[0][0], expected)


def test_axes_run_backwards(tmp_path: Path) -> None:
    voxels = read_voxels(save(tmp_path / "a.nii.gz", shape=(2, *SHAPE)))
    assert voxels is not None
    assert voxels.shape == (2, *SHAPE)


def test_damage_inside_a_file_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", shape=(60, 80, 90))
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF  # the checksum
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"is damaged \(.*\)\. Copy or download it again"):
        read_image([path])


def test_what_is_no_nifti_has_no_header() -> None:
    assert parse_nifti_header(b"hello") is None
    assert parse_nifti_header(gzip.compress(bytes(1000))) is None
    assert parse_nifti_header(bytes(600)) is None
