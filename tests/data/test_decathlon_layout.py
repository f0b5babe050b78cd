"""Is a Decathlon folder read as its dataset.json lists it, and never beyond its walls?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoseg.data.case import read_case
from autoseg.data.layouts import read_dataset
from autoseg.errors import DatasetError


def declare(build: Any, *entries: Any, **more: Any) -> Path:
    labels = {"0": "background", "1": "Anterior", "2": "Posterior"}
    build.json(**{"modality": {"0": "MRI"}, "labels": labels, "training": list(entries), **more})
    return build.folder


def entry(name: str) -> dict[str, str]:
    return {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}


def write(build: Any, *names: str) -> None:
    for name in names:
        build.image(f"imagesTr/{name}.nii.gz")
        build.segmentation(f"labelsTr/{name}.nii.gz")


def test_what_is_listed_is_read(build: Any) -> None:
    write(build, "b", "a", "unlisted")
    build.image("imagesTs/t.nii.gz")
    ghost = {"image": "./imagesTr/._a.nii.gz", "label": "./labelsTr/._a.nii.gz"}
    dataset = read_dataset(declare(build, entry("b"), ghost, entry("a"), test=["./imagesTs/t.nii.gz"], numTraining=2))
    assert (dataset.layout, dataset.channels, dataset.case_ids) == ("decathlon", ("MRI",), ("a", "b"))
    assert dataset.labels.names == ("background", "Anterior", "Posterior")
    assert [case.id for case in dataset.test_cases] == ["t"]


def test_the_fourth_axis_is_channels(build: Any, save_array: Any) -> None:
    array = np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype(np.float32)
    save_array("imagesTr/a.nii.gz", array)
    save_array("labelsTr/a.nii.gz", np.resize([0, 1, 2], (3, 5, 7)).astype(np.uint8))
    dataset = read_dataset(declare(build, entry("a"), modality={"0": "FLAIR", "1": "T1w"}))
    loaded = read_case(dataset.cases[0], labels=dataset.labels, n_channels=2)
    np.testing.assert_array_equal(loaded.image, array)


def test_files_of_nnunet_v1_are_found(build: Any) -> None:
    for name in ("a_0000", "a_0001"):
        build.image(f"imagesTr/{name}.nii.gz")
    build.segmentation("labelsTr/a.nii.gz")
    dataset = read_dataset(declare(build, entry("a"), modality={"0": "CT", "1": "PET"}))
    assert [path.name for path in dataset.cases[0].images] == ["a_0000.nii.gz", "a_0001.nii.gz"]


def test_what_is_listed_but_lost_is_described(build: Any) -> None:
    write(build, "a", "b", "c")
    (build.folder / "labelsTr" / "b.nii.gz").unlink()
    dataset = read_dataset(declare(build, entry("a"), entry("b"), entry("c"), entry("c"), test=["./imagesTs/t.nii.gz"]))
    assert dataset.case_ids == ("a",)
    assert "there is no" in dataset.incomplete["b"]
    assert "listed more than once" in dataset.incomplete["c"]
    assert "there is no" in dataset.incomplete["test/t"]


@pytest.mark.parametrize("path", ["../outside.nii.gz", "/etc/passwd.nii.gz", "./imagesTr/../../x.nii.gz"])
def test_paths_stay_inside(build: Any, path: str) -> None:
    with pytest.raises(DatasetError, match=r"training\[0\]: .* leads out of the folder"):
        read_dataset(declare(build, {"image": path, "label": "./labelsTr/a.nii.gz"}))


@pytest.mark.parametrize("wrong", ["./imagesTr/a.nii.gz", {"image": "a.nii.gz"}, {"image": 1, "label": 2}])
def test_a_wrong_entry_is_explained(build: Any, wrong: Any) -> None:
    with pytest.raises(DatasetError, match=r"training\[0\].* must be"):
        read_dataset(declare(build, wrong))
