"""Is an nnU-Net folder read as it is, and is what does not fit said?"""

from __future__ import annotations

from typing import Any

import pytest

from autoseg.data.layouts import read_dataset
from autoseg.errors import DatasetError


def test_a_whole_folder(build: Any) -> None:
    dataset = read_dataset(build.nnunet())
    assert (dataset.layout, dataset.channels, dataset.file_ending) == ("nnunet", ("CT", "PET"), ".nii.gz")
    assert dataset.labels.names == ("background", "organ", "lesion")
    assert dataset.case_ids == ("a", "b", "c", "d", "e")
    assert [path.name for path in dataset.cases[1].images] == ["b_0000.nii.gz", "b_0001.nii.gz"]
    assert [case.id for case in dataset.test_cases] == ["t"]
    assert (dataset.notes, dataset.incomplete) == ((), {})


def test_labels_may_have_gaps_and_be_ignored(build: Any) -> None:
    dataset = read_dataset(build.nnunet(labels={"background": 0, "organ": 7, "lesion": "3", "ignore": 9}))
    assert dataset.labels.names == ("background", "lesion", "organ")
    assert (dataset.labels.values, dataset.labels.ignore_value) == ((0, 3, 7), 9)
    assert "0 -> 0 background, 3 -> 1 lesion, 7 -> 2 organ" in dataset.notes[0]


def test_incomplete_cases_are_left_out_and_described(build: Any) -> None:
    folder = build.nnunet()
    (folder / "imagesTr" / "a_0001.nii.gz").unlink()
    (folder / "labelsTr" / "b.nii.gz").unlink()
    (folder / "imagesTr" / "c_0000.nii.gz").unlink()
    (folder / "imagesTr" / "c_0001.nii.gz").unlink()
    build.segmentation("labelsTr/d.nrrd")
    (folder / "imagesTs" / "t_0000.nii.gz").unlink()
    dataset = read_dataset(folder)
    assert dataset.case_ids == ("e",)
    assert dataset.incomplete == {
        "a": "has a_0000.nii.gz, but not a_0001",
        "b": "has an image but no segmentation",
        "c": "has a segmentation but no image",
        "d": "has several segmentations (d.nii.gz, d.nrrd); keep one of them",
        "imagesTs/t": "has t_0001.nii.gz, but not t_0000",
    }
    assert "Left out because their files are incomplete or unreadable: a, b, c, d, imagesTs/t." in dataset.notes


def test_a_channel_too_many_is_described(build: Any) -> None:
    folder = build.nnunet()
    build.image("imagesTr/a_0002.nii.gz")
    assert read_dataset(folder).incomplete["a"].endswith("but only 2 channels are declared")


def test_hidden_files_are_nobodys(build: Any) -> None:
    folder = build.nnunet()
    (folder / "imagesTr" / "._a_0000.nii.gz").write_text("resource fork")
    (folder / "labelsTr" / ".DS_Store").write_text("")
    assert read_dataset(folder).incomplete == {}


def test_files_may_be_listed(build: Any) -> None:
    images = [build.image("somewhere/one.nii.gz").name, build.image("somewhere/two.nii.gz").name]
    label = build.segmentation("else/three.nii.gz")
    entry = {"images": [f"somewhere/{name}" for name in images], "label": str(label)}
    lost = {"images": ["x.nii.gz", "y.nii.gz"], "label": "z.nii.gz"}
    build.json(
        channel_names={"0": "CT", "1": "PET"}, labels={"background": 0, "organ": 1}, dataset={"k": entry, "l": lost}
    )
    dataset = read_dataset(build.folder)
    assert dataset.case_ids == ("k",)
    assert [path.is_file() for path in dataset.cases[0].images] == [True, True]
    assert "there is no" in dataset.incomplete["l"]


def test_the_ending_is_that_of_the_files(build: Any) -> None:
    dataset = read_dataset(build.nnunet(file_ending=".mha"))
    assert dataset.file_ending == ".nii.gz"
    assert dataset.notes == ("dataset.json says file_ending .mha, but the segmentations have .nii.gz.",)


@pytest.mark.parametrize(
    ("declared", "word"),
    [
        ({"labels": {"organ": 1}}, r'labels need "background": 0, but the numbers are \[1\]'),
        ({"labels": {"background": 0}}, "nothing to learn"),
        ({"labels": {"background": 0, "organ": 1, "lesion": 1}}, "two labels share a number"),
        ({"labels": {"background": 0, "organ": 1.5}}, r"label organ must be a whole number, but is 1\.5"),
        ({"labels": {}}, "declares no labels"),
        ({"channel_names": {}}, "names no channels"),
        ({"channel_names": {"0": "CT", "2": "PET"}}, "must number the channels 0 to 1, but has 0, 2"),
        ({"numTraining": "many"}, "numTraining must be a whole number, but is 'many'"),
        ({"dataset": ["a"]}, "dataset must map case ids to their files, but is a list"),
    ],
)
def test_a_wrong_json_is_explained(build: Any, declared: dict[str, Any], word: str) -> None:
    with pytest.raises(DatasetError, match=rf"dataset\.json: .*{word}"):
        read_dataset(build.nnunet(**declared))


@pytest.mark.parametrize(("text", "word"), [("{", "line 1, column 2 is not valid JSON"), ("[]", "but holds a list")])
def test_what_is_no_json_object_is_explained(build: Any, text: str, word: str) -> None:
    (build.nnunet() / "dataset.json").write_text(text)
    with pytest.raises(DatasetError, match=word):
        read_dataset(build.folder)
