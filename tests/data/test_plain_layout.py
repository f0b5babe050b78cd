"""Is a folder without dataset.json understood from its files, and is what was assumed said?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autoseg.data.image_io import read_header
from autoseg.data.layouts import read_dataset
from autoseg.errors import DatasetError


def test_masks_of_0_and_255_are_foreground(build: Any) -> None:
    dataset = read_dataset(build.plain())
    assert (dataset.layout, dataset.channels, dataset.file_ending) == ("plain", ("image",), ".png")
    assert dataset.case_ids == ("a", "b", "c", "d", "e")
    assert (dataset.labels.names, dataset.labels.values) == (("background", "foreground"), (0, 255))
    assert "Numbers in the files are mapped to labels: 0 -> 0 background, 255 -> 1 foreground." in dataset.notes


def test_labels_come_from_all_files(build: Any) -> None:
    folder = build.plain((0, 1))
    build.segmentation("labels/e.png", (0, 40, 3), read_header(folder / "labels" / "e.png").geometry)
    dataset = read_dataset(folder)
    assert dataset.labels.names == ("background", "label_1", "label_3", "label_40")


def test_colour_is_three_channels(build: Any, save_array: Any) -> None:
    colours = np.random.default_rng(0).integers(0, 255, size=(5, 7, 4), dtype=np.uint8)
    save_array("images/a.png", colours, True)
    save_array("labels/a.png", np.resize([0, 1], (5, 7)).astype(np.uint8))
    assert read_dataset(build.folder).channels == ("red", "green", "blue")


def test_other_channels_are_numbered(build: Any) -> None:
    for case in "ab":
        build.segmentation(f"labels/{case}.nii.gz")
        for channel in range(2):
            build.image(f"images/{case}_{channel:04d}.nii.gz")
    dataset = read_dataset(build.folder)
    assert (dataset.channels, dataset.case_ids) == (("channel_0", "channel_1"), ("a", "b"))


def test_numbered_names_are_no_channels_where_masks_have_them(build: Any) -> None:
    for name in ("slice_0000", "slice_0001"):
        build.image(f"images/{name}.nii.gz")
        build.segmentation(f"labels/{name}.nii.gz")
    assert read_dataset(build.folder).case_ids == ("slice_0000", "slice_0001")


@pytest.mark.parametrize("folders", [("imagesTr", "labelsTr"), ("Images", "Masks"), ("images", "segmentations")])
def test_folders_have_several_names(build: Any, folders: tuple[str, str]) -> None:
    build.image(f"{folders[0]}/a.nii.gz")
    build.segmentation(f"{folders[1]}/a.nrrd")
    dataset = read_dataset(build.folder)
    assert (dataset.case_ids, dataset.file_ending) == (("a",), ".nrrd")


def test_names_that_do_not_match_are_described(build: Any) -> None:
    folder = build.plain()
    (folder / "images" / "a.png").rename(folder / "images" / "z.png")
    dataset = read_dataset(folder)
    assert dataset.case_ids == ("b", "c", "d", "e")
    assert dataset.incomplete == {"a": "has a segmentation but no image", "z": "has an image but no segmentation"}


def test_a_broken_segmentation_is_left_out_and_described(build: Any) -> None:
    folder = build.plain()
    (folder / "labels" / "b.png").write_text("hello")
    dataset = read_dataset(folder)
    assert "b" not in dataset.case_ids
    assert "cannot be read as an image" in dataset.incomplete["b"]


def test_a_broken_first_image_does_not_name_the_channels(build: Any) -> None:
    folder = build.plain()
    (folder / "images" / "a.png").write_text("hello")
    assert read_dataset(folder).channels == ("image",)


@pytest.mark.parametrize(
    ("numbers", "word"),
    [((0,), "every segmentation is empty"), ((0, -1), "hold -1, which cannot be a label by itself. Write a dataset")],
)
def test_numbers_that_are_no_labels_are_explained(build: Any, numbers: tuple[int, ...], word: str) -> None:
    build.image("images/a.nii.gz")
    build.segmentation("labels/a.nii.gz", numbers)
    with pytest.raises(DatasetError, match=word):
        read_dataset(build.folder)


def test_more_numbers_than_labels_are_explained(build: Any, save_array: Any) -> None:
    for case in "ab":
        save_array(f"images/{case}.png", np.zeros((20, 30), dtype=np.uint8))
        save_array(
            f"labels/{case}.png", np.random.default_rng(ord(case)).permutation(600).reshape(20, 30).astype(np.uint16)
        )
    with pytest.raises(DatasetError, match=r"hold 600 distinct numbers between 0 and 599, but .* at most 256 labels"):
        read_dataset(build.folder)


def test_probability_maps_are_explained(build: Any) -> None:
    build.image("images/a.nii.gz")
    build.image("labels/a.nii.gz")
    with pytest.raises(DatasetError, match="Is it an image or a probability map"):
        read_dataset(build.folder)
