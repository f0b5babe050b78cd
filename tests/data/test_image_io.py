"""Does what is written come back, in array order, and is what cannot be used refused with a word?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from autoseg.data.geometry import FLAT_SPACING_MM, Geometry
from autoseg.data.image_io import (
    ENDINGS,
    read_header,
    read_image,
    read_segmentation,
    split_ending,
    write_segmentation,
    write_volume,
)
from autoseg.errors import DatasetError, NumericalError

SHAPE, SPACING = (3, 5, 7), (7.5, 1.25, 0.5)
ROTATED = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
GEOMETRY = Geometry(SHAPE, SPACING, origin=(-10.0, 20.5, 3.0), direction=ROTATED)
PICTURE = Geometry((1, 5, 7), (FLAT_SPACING_MM, 1.0, 1.0), n_dimensions=2, has_spacing=False)


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


@pytest.fixture
def segmentation() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, size=SHAPE)


def save(path: Path, array: np.ndarray, *, components: bool = False) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=components), str(path))
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_split_ending_undoes_joining(ending: str) -> None:
    assert split_ending(f"a.b_0000{ending}") == ("a.b_0000", ending)
    assert split_ending(f"A{ending.upper()}") == ("A", ending.upper())


def test_split_ending_of_unsupported_formats_is_empty() -> None:
    assert split_ending("case.dcm") == ("case.dcm", "")


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_volumes_come_back_where_they_were(tmp_path: Path, volume: np.ndarray, ending: str) -> None:
    write_volume(tmp_path / f"a{ending}", volume, GEOMETRY)
    image, geometry = read_image([tmp_path / f"a{ending}"])
    np.testing.assert_array_equal(image[0], volume)
    assert geometry.shape == SHAPE
    assert geometry.spacing == pytest.approx(SPACING, rel=1e-6)
    assert geometry.origin == pytest.approx(GEOMETRY.origin)
    assert geometry.direction == pytest.approx(ROTATED, abs=1e-6)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha", ".tif"])
def test_segmentations_come_back_in_the_smallest_type(tmp_path: Path, segmentation: np.ndarray, ending: str) -> None:
    write_segmentation(tmp_path / f"a{ending}", segmentation, GEOMETRY)
    back, _ = read_segmentation(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(back, segmentation)
    assert read_header(tmp_path / f"a{ending}").dtype == "uint8"


@pytest.mark.parametrize("ending", [".png", ".tif", ".nii.gz"])
def test_pictures_stay_pictures(tmp_path: Path, segmentation: np.ndarray, ending: str) -> None:
    write_segmentation(tmp_path / f"a{ending}", 255 * (segmentation[:1] > 0), PICTURE)
    back, geometry = read_segmentation(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(back, 255 * (segmentation[:1] > 0))
    assert (geometry.n_dimensions, geometry.spacing) == (2, PICTURE.spacing)
    assert geometry.has_spacing is (ending == ".nii.gz")


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mha"])
def test_arrays_are_contiguous_and_may_be_changed(tmp_path: Path, volume: np.ndarray, ending: str) -> None:
    write_volume(tmp_path / f"a{ending}", np.rint(volume), GEOMETRY)
    for array in (read_image([tmp_path / f"a{ending}"])[0], read_segmentation(tmp_path / f"a{ending}")[0]):
        assert array.flags.writeable
        assert array.flags.c_contiguous


def test_simpleitk_sees_axes_the_other_way_round(tmp_path: Path, volume: np.ndarray) -> None:
    write_volume(tmp_path / "a.mha", volume, GEOMETRY)
    image = sitk.ReadImage(str(tmp_path / "a.mha"))
    assert image.GetSize() == SHAPE[::-1]
    assert image.GetSpacing() == SPACING[::-1]
    assert image[6, 4, 2] == volume[2, 4, 6]


def test_a_fourth_axis_is_channels(tmp_path: Path) -> None:
    array = np.random.default_rng(1).normal(size=(2, *SHAPE)).astype(np.float32)
    path = save(tmp_path / "a.nii.gz", array)
    image, geometry = read_image([path])
    np.testing.assert_array_equal(image, array)
    assert (read_header(path).n_channels, geometry.shape) == (2, SHAPE)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_vector_components_are_channels(tmp_path: Path, ending: str) -> None:
    array = np.random.default_rng(1).normal(size=(*SHAPE, 2)).astype(np.float32)
    path = save(tmp_path / f"a{ending}", array, components=True)
    np.testing.assert_array_equal(read_image([path])[0], np.moveaxis(array, -1, 0))
    assert read_header(path).n_channels == 2


@pytest.mark.parametrize(("n_stored", "n_channels"), [(1, 1), (3, 3), (4, 3)])
def test_alpha_is_no_channel(tmp_path: Path, n_stored: int, n_channels: int) -> None:
    array = np.random.default_rng(1).integers(0, 255, size=(5, 7, n_stored), dtype=np.uint8)
    path = save(tmp_path / "a.png", array, components=True)
    image, _ = read_image([path])
    np.testing.assert_array_equal(image[:, 0], np.moveaxis(array[..., :n_channels], -1, 0))
    assert read_header(path).n_channels == n_channels


def test_files_of_a_case_are_joined_in_their_order(tmp_path: Path, volume: np.ndarray) -> None:
    for name, factor in (("a_0000.nii.gz", 1), ("a_0001.nii.gz", -2)):
        write_volume(tmp_path / name, factor * volume, GEOMETRY)
    image, _ = read_image([tmp_path / "a_0000.nii.gz", tmp_path / "a_0001.nii.gz"])
    np.testing.assert_array_equal(image, np.stack([volume, -2 * volume]))


def test_channels_on_different_grids_are_refused(tmp_path: Path, volume: np.ndarray) -> None:
    write_volume(tmp_path / "a_0000.nii.gz", volume, GEOMETRY)
    write_volume(tmp_path / "a_0001.nii.gz", volume, Geometry(SHAPE, SPACING[::-1], GEOMETRY.origin, ROTATED))
    with pytest.raises(DatasetError, match=r"a_0001.*same grid as a_0000.*spacing \(7.5, 1.25, 0.5\) against"):
        read_image([tmp_path / "a_0000.nii.gz", tmp_path / "a_0001.nii.gz"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_counted(tmp_path: Path, volume: np.ndarray, bad: float) -> None:
    volume[1, 2, 3:5] = bad
    write_volume(tmp_path / "a.nii.gz", volume, GEOMETRY)
    with pytest.raises(NumericalError, match=r"a\.nii\.gz: 2 of 105 voxels are NaN or infinite"):
        read_image([tmp_path / "a.nii.gz"])


def test_grey_masks_in_colour_become_grey(tmp_path: Path) -> None:
    grey = np.random.default_rng(1).choice([0, 255], size=(5, 7)).astype(np.uint8)
    rgba = np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
    back, _ = read_segmentation(save(tmp_path / "a.png", rgba, components=True))
    np.testing.assert_array_equal(back[0], grey)


def test_float_masks_of_whole_numbers_become_integers(tmp_path: Path, segmentation: np.ndarray) -> None:
    write_volume(tmp_path / "a.nii.gz", segmentation + 1e-5, GEOMETRY)
    back, _ = read_segmentation(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(back, segmentation)
    assert np.issubdtype(back.dtype, np.integer)


def test_a_probability_map_is_no_segmentation(tmp_path: Path, segmentation: np.ndarray) -> None:
    write_volume(tmp_path / "a.nii.gz", np.where(segmentation > 0, 0.25, 0), GEOMETRY)
    with pytest.raises(DatasetError, match=r"whole numbers, but this file holds 0\.25 and \d+ more"):
        read_segmentation(tmp_path / "a.nii.gz")


def test_a_mask_of_two_channels_is_refused(tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 2, size=(2, *SHAPE)).astype(np.uint8)
    with pytest.raises(DatasetError, match="one number per voxel, but this file has 2 different channels"):
        read_segmentation(save(tmp_path / "a.nii.gz", array))


def test_a_jpeg_mask_with_smeared_labels_is_refused(tmp_path: Path) -> None:
    array = np.random.default_rng(1).choice([0, 255], size=(16, 16)).astype(np.uint8)
    with pytest.raises(DatasetError, match="JPEG compression changed the label numbers"):
        read_segmentation(save(tmp_path / "a.jpg", array))


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".tif", ".png", ".mha", ".nrrd", ".jpg"])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_truncated_files_are_noticed(tmp_path: Path, ending: str, share: float) -> None:
    shape = (40, 50) if ending in (".png", ".jpg") else (9, 40, 50)
    array = np.random.default_rng(1).integers(0, 255, size=shape, dtype=np.uint8)
    path = save(tmp_path / f"a{ending}", array)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DatasetError, match=r"a\..*(ends too early|cannot be read)"):
        read_image([path])


def test_grey_with_alpha_is_refused_with_a_way_out(tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 255, size=(5, 7, 2), dtype=np.uint8)
    with pytest.raises(DatasetError, match="Save grey without alpha"):
        read_image([save(tmp_path / "a.png", array, components=True)])


def test_text_renamed_to_an_image_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(DatasetError, match="the content is not what the ending says"):
        read_header(tmp_path / "a.png")


def test_missing_and_unsupported_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no such file"):
        read_header(tmp_path / "a.png")
    with pytest.raises(DatasetError, match=r"Supported endings: \.nii\.gz"):
        read_header(tmp_path / "a.dcm")


@pytest.mark.parametrize(("name", "word"), [("a.jpg", "JPEG changes label numbers"), ("a.png", "holds one slice")])
def test_formats_that_would_lose_something_are_refused(
    tmp_path: Path, segmentation: np.ndarray, name: str, word: str
) -> None:
    with pytest.raises(DatasetError, match=word):
        write_segmentation(tmp_path / name, segmentation, GEOMETRY)
    assert not list(tmp_path.iterdir())


def test_a_shape_unlike_the_geometry_is_refused(tmp_path: Path, segmentation: np.ndarray) -> None:
    with pytest.raises(DatasetError, match=r"shape \(7, 5, 3\), but its geometry has \(3, 5, 7\)"):
        write_segmentation(tmp_path / "a.nii.gz", segmentation.T, GEOMETRY)


def test_the_dtype_is_the_stored_one(tmp_path: Path) -> None:
    for dtype in ("uint8", "int16", "int32", "float32", "float64"):
        assert read_header(save(tmp_path / "a.nii.gz", np.ones(SHAPE, dtype))).dtype == dtype
