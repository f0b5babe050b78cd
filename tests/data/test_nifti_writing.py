"""Does SimpleITK read back what was written slice by slice, at the same place in the world?"""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from autoseg.data.geometry import Geometry
from autoseg.data.image_io import read_header, write_volume
from autoseg.data.nifti import read_nifti_header
from autoseg.data.nifti_writing import make_spool, write_nifti
from autoseg.errors import DatasetError, ResourceError

SHAPE, SPACING, ORIGIN = (3, 5, 7), (4.0, 0.7, 1.3), (-31.5, 12.25, 400.125)


def turn(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """A rotation by Rodrigues' formula."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


DIRECTIONS = {
    "straight": np.eye(3),
    "oblique": turn((1, 2, -3), 37),
    "half a turn": turn((0, 1, 0), 180),
    "nearly half a turn": turn((2, -1, 1), 179.9),
    "left-handed": np.diag([1.0, 1.0, -1.0]),
    "left-handed and oblique": turn((3, 1, 1), 200) @ np.diag([-1.0, 1.0, 1.0]),
    "permuted": np.eye(3)[[2, 0, 1]],
}


def place(direction: np.ndarray) -> Geometry:
    return Geometry(SHAPE, SPACING, ORIGIN, tuple(direction.ravel().tolist()))


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("kept", ["both", "quaternion", "matrix"])
def test_the_geometry_is_read_back_from_either_form(tmp_path: Path, name: str, kept: str) -> None:
    geometry, path = place(DIRECTIONS[name]), tmp_path / "a.nii.gz"
    write_nifti(path, np.zeros(SHAPE, dtype=np.uint8), geometry)
    content = bytearray(gzip.decompress(path.read_bytes()))
    if kept != "both":  # the code of the other form becomes 0: unknown
        start = 254 if kept == "quaternion" else 252
        content[start : start + 2] = b"\0\0"
    (tmp_path / "b.nii").write_bytes(bytes(content))
    found = read_header(tmp_path / "b.nii").geometry
    assert found.shape == SHAPE
    np.testing.assert_allclose(found.spacing, SPACING, rtol=1e-6)
    np.testing.assert_allclose(found.origin, ORIGIN, rtol=1e-6)
    np.testing.assert_allclose(found.direction, geometry.direction, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_values_are_read_back(tmp_path: Path, dtype: str) -> None:
    volume = (np.random.default_rng(0).normal(size=SHAPE) * 50 + 100).astype(dtype)
    write_nifti(tmp_path / "a.nii.gz", volume, place(DIRECTIONS["oblique"]))
    image = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume)


def test_probabilities_of_a_byte_are_scaled_by_the_header(tmp_path: Path) -> None:
    probabilities = np.random.default_rng(0).random(SHAPE)
    write_nifti(tmp_path / "a.nii.gz", np.rint(probabilities * 255).astype(np.uint8), place(np.eye(3)), slope=1 / 255)
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nii.gz")))
    np.testing.assert_allclose(found, probabilities, atol=1 / 510 + 1e-6)


def test_a_picture_stays_a_picture(tmp_path: Path) -> None:
    """As SimpleITK itself would write and read it."""
    turned = np.eye(3)
    turned[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    geometry = Geometry((1, 5, 7), (999.0, 0.7, 1.3), (3.0, -4.0, 0.0), tuple(turned.ravel().tolist()), n_dimensions=2)
    volume = np.random.default_rng(0).random((1, 5, 7)).astype(np.float32)
    write_nifti(tmp_path / "a.nii.gz", volume, geometry)
    write_volume(tmp_path / "b.nii.gz", volume, geometry)
    ours, theirs = (sitk.ReadImage(str(tmp_path / name)) for name in ("a.nii.gz", "b.nii.gz"))
    assert ours.GetDimension() == theirs.GetDimension() == 2
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), volume[0])
    for fact in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(ours, fact)(), getattr(theirs, fact)(), atol=1e-6)


def test_a_spool_is_filled_in_any_order_and_leaves_nothing_behind(tmp_path: Path) -> None:
    spool = make_spool(SHAPE, "uint8", tmp_path, fill=9)
    spool[2], spool[0, :, 3] = 5, 7
    expected = np.array(spool)
    write_nifti(tmp_path / "a.nii.gz", spool, place(np.eye(3)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nii.gz"))), expected)
    assert set(np.unique(expected)) == {5, 7, 9}
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii.gz"]


def test_our_own_reader_agrees_about_the_size(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz", np.zeros(SHAPE, dtype=np.int16), place(np.eye(3)))
    header = read_nifti_header(tmp_path / "a.nii.gz")
    assert header is not None
    assert (header.shape, header.start, header.n_bytes) == (SHAPE[::-1], 352, 352 + 2 * 105)


def test_what_nifti_does_not_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="float64 of shape"):
        write_nifti(tmp_path / "a.nii.gz", np.zeros(SHAPE), place(np.eye(3)))
    with pytest.raises(DatasetError, match="its geometry has"):
        write_nifti(tmp_path / "a.nii.gz", np.zeros((1, 2, 3), dtype=np.uint8), place(np.eye(3)))
    long = Geometry((1, 1, 40000), (1.0, 1.0, 1.0))
    with pytest.raises(DatasetError, match="at most 32767 voxels"):
        write_nifti(tmp_path / "a.nii.gz", np.zeros(long.shape, dtype=np.uint8), long)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_known_beforehand(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="GB are needed to write probabilities"):
        make_spool((2**20, 2**20, 2**10), "uint8", tmp_path)


def test_a_disk_that_takes_no_more_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(ResourceError, match=r"could not hold .* to write probabilities \(No space left on device\)"):
        make_spool(SHAPE, "uint8", tmp_path)
    monkeypatch.undo()
    with pytest.raises(ResourceError, match="nothing can be written there"):
        make_spool(SHAPE, "uint8", tmp_path / "nowhere")
