"""Does every folder end in a dataset or in one clear line, and every path in images to segment?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoseg.data.layouts import find_images, read_dataset
from autoseg.errors import DatasetError, UsageError


def found(path: Path, n_channels: int) -> dict[str, list[str]]:
    return {case.id: [image.name for image in case.images] for case in find_images(path, n_channels)}


@pytest.mark.parametrize("make", [lambda f: f, lambda f: f / "nowhere"])
def test_a_folder_without_data_lists_what_is_accepted(tmp_path: Path, make: Any) -> None:
    with pytest.raises(
        DatasetError, match=r"Accepted: .*\(nnU-Net\); .*\(Medical Segmentation Decathlon\); images/ and"
    ):
        read_dataset(make(tmp_path))


def test_empty_folders_of_a_layout_are_explained(build: Any) -> None:
    for name in ("images", "labels"):
        (build.folder / name).mkdir()
    with pytest.raises(DatasetError, match=r"no image has a segmentation of the same name"):
        read_dataset(build.folder)


def test_no_complete_case_names_the_first_gaps(build: Any) -> None:
    folder = build.nnunet()
    for path in (folder / "imagesTr").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"no case has both .*\(a has a segmentation but no image; b has"):
        read_dataset(folder)


def test_the_name_is_that_of_the_folder_wherever_one_stands(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(build.plain())
    assert read_dataset(Path(".")).name == build.folder.name


@pytest.mark.parametrize(
    ("name", "layout", "n_cases", "channels", "labels"),
    [
        ("Dataset004_Hippocampus", "nnunet", 208, ("MRI",), ("background", "Anterior", "Posterior")),
        ("Dataset010_SarcomaCT", "nnunet", 20, ("CT",), ("background", "tumour")),
        ("Dataset011_SarcomaMultimodal", "nnunet", 8, ("MRI", "CT", "PET"), ("background", "tumour")),
        ("nuclei_png", "plain", 90, ("red", "green", "blue"), ("background", "foreground")),
        ("membrane_em_png", "plain", 25, ("image",), ("background", "foreground")),
    ],
)
def test_real_datasets(
    shared_data: Path, name: str, layout: str, n_cases: int, channels: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    dataset = read_dataset(shared_data / name)
    assert (dataset.layout, len(dataset.cases), dataset.channels) == (layout, n_cases, channels)
    assert (dataset.labels.names, dataset.incomplete) == (labels, {})


def test_channels_are_grouped_when_all_are_there(build: Any) -> None:
    for name in ("b_0000", "b_0001", "a_0000", "a_0001"):
        build.image(f"{name}.nii.gz")
    assert found(build.folder, 2) == {"a": ["a_0000.nii.gz", "a_0001.nii.gz"], "b": ["b_0000.nii.gz", "b_0001.nii.gz"]}


def test_names_are_free_where_one_file_is_a_case(build: Any) -> None:
    for name in ("scan.nii.gz", "slice_0007.nrrd", "x_0000.mha", "notes.nii.gz"):
        build.image(name)
    (build.folder / "readme.txt").write_text("no image")
    names = {"notes": ["notes.nii.gz"], "scan": ["scan.nii.gz"], "slice_0007": ["slice_0007.nrrd"], "x": ["x_0000.mha"]}
    assert found(build.folder, 1) == names


def test_numbered_colour_pictures_are_cases(build: Any, save_array: Any) -> None:
    for number in range(3):
        save_array(f"frame_{number:04d}.png", np.full((5, 7, 3), number, dtype=np.uint8), True)
    assert list(found(build.folder, 3)) == ["frame_0000", "frame_0001", "frame_0002"]


def test_one_file_brings_its_channels(build: Any) -> None:
    for name in ("a_0000", "a_0001", "b_0000"):
        build.image(f"{name}.nii.gz")
    assert found(build.folder / "a_0000.nii.gz", 2) == {"a": ["a_0000.nii.gz", "a_0001.nii.gz"]}
    assert found(build.folder / "b_0000.nii.gz", 1) == {"b": ["b_0000.nii.gz"]}


def test_missing_channels_are_named(build: Any) -> None:
    for name in ("a_0000", "a_0001", "b_0001"):
        build.image(f"{name}.nii.gz")
    with pytest.raises(DatasetError, match=r"b has b_0001\.nii\.gz, but not b_0000\. Expected 2 channels per case"):
        find_images(build.folder, 2)
    with pytest.raises(DatasetError, match=r"b has b_0001\.nii\.gz, but not b_0000"):
        find_images(build.folder / "b_0001.nii.gz", 2)


def test_two_files_of_one_name_are_refused(build: Any) -> None:
    for name in ("a.nii.gz", "a.nrrd"):
        build.image(name)
    with pytest.raises(DatasetError, match=r"a has several files for one image \(a\.nii\.gz, a\.nrrd\)"):
        find_images(build.folder, 1)


def test_paths_without_images_are_explained(build: Any) -> None:
    build.image("inside/a.nii.gz")
    (build.folder / "a.dcm").write_text("")
    with pytest.raises(DatasetError, match=r"holds no images, but inside inside it does\. Supported endings"):
        find_images(build.folder, 1)
    with pytest.raises(DatasetError, match="the format is not supported"):
        find_images(build.folder / "a.dcm", 1)
    with pytest.raises(UsageError, match="there is no such file or folder"):
        find_images(build.folder / "nowhere", 1)
