"""Are regions read as they are declared, and is what cannot be painted said?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autoseg.data.declarations import parse_labels
from autoseg.data.labels import Region
from autoseg.data.layouts import read_dataset
from autoseg.errors import DatasetError

BRAIN = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}


def parse(labels: dict[str, Any], order: Any = None) -> Any:
    declared = {"labels": labels} | ({} if order is None else {"regions_class_order": order})
    return parse_labels(declared, Path("dataset.json"))


def test_regions_are_painted_as_declared() -> None:
    labels, notes = parse(BRAIN, [1, 2, 3])
    assert labels.names == ("background", "label_1", "label_2", "enhancing")
    assert (labels.values, labels.ignore_value) == ((0, 1, 2, 3), 4)
    assert [region.name for region in labels.regions] == ["whole", "core", "enhancing"]
    assert [region.labels for region in labels.regions] == [(1, 2, 3), (2, 3), (3,)]
    assert "core (2, 3, painted 2)" in notes[-1]
    assert labels.n_outputs == 3


def test_numbers_with_gaps_become_labels() -> None:
    labels, _ = parse({"kidney": [100, 7, 9], "background": 0, "mass": [9, 100], "tumour": 9}, [7, 100, 9])
    assert labels.names == ("background", "label_7", "tumour", "label_100")
    assert labels.regions[0] == Region(name="kidney", labels=(1, 2, 3), paints=1)
    assert labels.regions[1] == Region(name="mass", labels=(2, 3), paints=3)


def test_lists_of_one_number_are_plain_labels() -> None:
    labels, notes = parse({"background": 0, "a": [1], "b": 2}, [1, 2])
    assert (labels.names, labels.regions) == (("background", "a", "b"), ())
    assert notes == ("regions_class_order in dataset.json is not used, for no label has several numbers.",)


@pytest.mark.parametrize(
    ("labels", "order", "words"),
    [
        (BRAIN, None, r'nothing says how they are painted.*"regions_class_order": \[1, 2, 3\]'),
        (BRAIN, [1, 2], r"one number for each of the 3 regions \(whole, core, enhancing\), but is \[1, 2\]"),
        (BRAIN, [1, 5, 3], r"paints region core with 5, which is no label of it. Choose out of \[2, 3\]"),
        (BRAIN, [1, 1, 3], "paints region core with 1"),
        (BRAIN, {"whole": 1}, "must be a list of whole numbers"),
        ({**BRAIN, "all": [3, 2, 1]}, [1, 2, 3, 1], "whole and all consist of the same labels"),
        ({**BRAIN, "all": [0, 1]}, [1, 2, 3, 1], r"region all is \[0, 1\], but background and ignore"),
        ({**BRAIN, "label_1": [1, 2]}, [1, 2, 3, 1], "region label_1 is called as label 1 would be"),
        ({**BRAIN, "none": []}, [1, 2, 3, 1], "region none has no label"),
        ({**BRAIN, "half": [1.5, 2]}, [1, 2, 3, 1], r"label half must be a list of whole numbers, but is \[1.5, 2\]"),
        ({**BRAIN, "ignore": [4, 5]}, [1, 2, 3], "ignore label must be one whole number"),
        ({**BRAIN, "ignore": 0}, [1, 2, 3], "ignore label is 0"),
    ],
)
def test_what_cannot_be_painted_is_one_clear_line(labels: dict[str, Any], order: Any, words: str) -> None:
    with pytest.raises(DatasetError, match=rf"^dataset\.json: .*{words}"):
        parse(labels, order)


def test_both_layouts_with_a_dataset_file_take_regions(build: Any) -> None:
    regions = {"labels": {"background": 0, "both": [1, 2], "lesion": 2}, "regions_class_order": [1, 2]}
    dataset = read_dataset(build.nnunet(**regions))
    training = [{"image": f"imagesTr/{id}_0000.nii.gz", "label": f"labelsTr/{id}.nii.gz"} for id in dataset.case_ids]
    build.json(modality={"0": "CT"}, training=training, **regions)
    listed = read_dataset(build.folder)
    assert (dataset.layout, listed.layout) == ("nnunet", "decathlon")
    assert dataset.labels == listed.labels
    assert [name for name, _ in listed.labels.targets] == ["both", "lesion"]
