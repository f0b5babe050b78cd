"""Is every problem of a dataset found at once, and none where there is none?"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoseg.data.checking import Problem, check_dataset, find_spacing_outliers
from autoseg.data.image_io import read_header, write_volume
from autoseg.data.layouts import read_dataset

FLIPPED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def check(folder: Path) -> tuple[Problem, ...]:
    return check_dataset(read_dataset(folder))


def only(folder: Path) -> tuple[str, str, str]:
    (problem,) = check(folder)
    return problem.severity, problem.where, problem.message


def geometry_of(build: Any) -> Any:
    return read_header(build.folder / "imagesTr" / "a_0000.nii.gz").geometry


def test_a_sound_dataset_has_no_problems(build: Any) -> None:
    seen: list[tuple[int, int]] = []
    assert check_dataset(read_dataset(build.nnunet()), lambda done, total: seen.append((done, total))) == ()
    assert seen == [(i, 5) for i in range(1, 6)]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none(build: Any, bad: float) -> None:
    build.nnunet()
    values = np.arange(105.0).reshape(3, 5, 7)
    values[1, 2, 3] = bad
    build.image("imagesTr/b_0001.nii.gz", values=values)
    severity, where, message = only(build.folder)
    assert (severity, where) == ("error", "b")
    assert "b_0001.nii.gz: 1 of 105 voxels are NaN or infinite" in message


def test_a_wrong_number_of_channels(build: Any, save_array: Any) -> None:
    build.nnunet()
    save_array("imagesTr/b_0001.nii.gz", np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype(np.float32))
    messages = [problem.message for problem in check(build.folder)]
    assert any("expected 2 channels (CT, PET), but b_0000.nii.gz, b_0001.nii.gz hold 3" in text for text in messages)


def test_grids_that_differ(build: Any) -> None:
    build.nnunet()
    shifted = replace(geometry_of(build), origin=(0.0, 0.0, 0.0))
    build.image("imagesTr/b_0001.nii.gz", shifted)
    build.segmentation("labelsTr/c.nii.gz", geometry=replace(shifted, shape=(3, 7, 5)))
    problems = check(build.folder)
    assert [(p.severity, p.where) for p in problems] == [("error", "b"), ("error", "c")]
    assert "b_0001.nii.gz must lie on the grid of b_0000.nii.gz, but differs in origin" in problems[0].message
    assert "differs in shape (3, 5, 7) against (3, 7, 5); origin" in problems[1].message


def test_undeclared_and_absent_labels(build: Any) -> None:
    build.nnunet(labels={"background": 0, "organ": 1, "lesion": 2, "cyst": 3})
    build.segmentation("labelsTr/b.nii.gz", (0, 1, -4))
    problems = check(build.folder)
    assert [(p.severity, p.where) for p in problems] == [("warning", build.folder.name), ("error", "b")]
    assert "label cyst (3 in the files) is declared, but no case holds it" in problems[0].message
    assert "holds -4, but the dataset's labels are [0, 1, 2, 3]" in problems[1].message


def test_a_segmentation_without_foreground(build: Any) -> None:
    build.nnunet()
    build.segmentation("labelsTr/b.nii.gz", (0,))
    severity, where, message = only(build.folder)
    assert (severity, where) == ("warning", "b")
    assert "b.nii.gz holds no foreground" in message


def test_empty_images_and_empty_channels(build: Any) -> None:
    build.nnunet()
    build.image("imagesTr/b_0001.nii.gz", values=np.full((3, 5, 7), 4.0))
    for channel in (0, 1):
        build.image(f"imagesTr/c_000{channel}.nii.gz", values=np.zeros((3, 5, 7)))
    problems = check(build.folder)
    assert [(p.severity, p.where) for p in problems] == [("warning", "b"), ("warning", "c")]
    assert "channel 1 is 4 everywhere" in problems[0].message
    assert "every voxel of the image is zero" in problems[1].message


def test_labels_stored_as_floats(build: Any) -> None:
    build.nnunet()
    write_volume(build.folder / "labelsTr" / "b.nii.gz", np.resize([0.0, 1.0, 2.0], (3, 5, 7)), geometry_of(build))
    assert "b.nii.gz stores labels as float32; expected integers" in only(build.folder)[2]


def test_cases_that_lie_otherwise(build: Any) -> None:
    build.nnunet()
    flipped = replace(geometry_of(build), direction=FLIPPED)
    build.segmentation("labelsTr/b.nii.gz", geometry=flipped)
    for channel in (0, 1):
        build.image(f"imagesTr/b_000{channel}.nii.gz", flipped)
    assert "b is stored as RAS, but most cases as LPS" in only(build.folder)[2]


def test_a_case_with_a_spacing_of_its_own(build: Any) -> None:
    build.nnunet()
    coarse = replace(geometry_of(build), spacing=(7.5, 1.25, 5.0))
    build.segmentation("labelsTr/b.nii.gz", geometry=coarse)
    for channel in (0, 1):
        build.image(f"imagesTr/b_000{channel}.nii.gz", coarse)
    severity, where, message = only(build.folder)
    assert (severity, where) == ("warning", "b")
    assert "spacing is (7.5, 1.25, 5.0) mm (z, y, x), but the median of all cases is (7.5, 1.25, 0.5)" in message


def test_spacings_three_times_apart_are_outliers() -> None:
    spacings = {
        "a": (3.0, 1.0, 1.0),
        "b": (3.0, 1.0, 1.0),
        "c": (3.0, 0.3, 1.0),
        "d": (8.9, 1.0, 1.0),
        "e": (9.1, 1.0, 1.0),
    }
    assert list(find_spacing_outliers(spacings)) == ["c", "e"]
    assert find_spacing_outliers({}) == {}


def test_a_format_without_spacing_is_one_warning(build: Any) -> None:
    severity, where, message = only(build.plain())
    assert (severity, where) == ("warning", build.folder.name)
    assert "the format of 5 of 5 cases stores no spacing (a, b, c, d, e)" in message


def test_twins_are_named(build: Any) -> None:
    build.nnunet()
    for channel in (0, 1):
        shutil.copy(build.folder / f"imagesTr/a_000{channel}.nii.gz", build.folder / f"imagesTr/d_000{channel}.nii.gz")
    assert only(build.folder)[2].startswith("a, d have identical images")


def test_missing_files_and_a_wrong_count(build: Any) -> None:
    build.nnunet(numTraining=7)
    (build.folder / "labelsTr" / "b.nii.gz").unlink()
    problems = check(build.folder)
    assert [p.severity for p in problems] == ["warning", "warning", "error"]
    assert "declares 7 training cases (numTraining), but 4 are complete" in problems[0].message
    assert "4 cases are fewer than the 5 folds" in problems[1].message
    assert (problems[2].where, problems[2].message) == ("b", "has an image but no segmentation.")


def test_one_case_is_too_few(build: Any) -> None:
    build.image("images/a.nii.gz")
    build.segmentation("labels/a.nii.gz")
    assert only(build.folder)[0] == "error"


def test_broken_files_are_all_named_once(build: Any) -> None:
    build.nnunet()
    for name in ("imagesTr/a_0000.nii.gz", "labelsTr/b.nii.gz", "imagesTs/t_0001.nii.gz"):
        path = build.folder / name
        path.write_bytes(path.read_bytes()[:-20])
    problems = check(build.folder)
    assert [(p.severity, p.where) for p in problems] == [("error", "a"), ("error", "b"), ("error", "t")]
    assert all("ends too early" in p.message for p in problems)


def test_real_data_is_found_sound(shared_data: Path) -> None:
    assert check(shared_data / "Dataset010_SarcomaCT") == ()
    assert check(shared_data / "Dataset011_SarcomaMultimodal") == ()


def test_real_float_labels_are_noticed(shared_data: Path) -> None:
    problems = check(shared_data / "Dataset004_Hippocampus")
    assert [(p.severity, p.where) for p in problems] == [("warning", "hippocampus_003"), ("warning", "hippocampus_243")]
