"""Is it known which labels a case annotates, and is what contradicts it said?"""

from __future__ import annotations

from typing import Any

import pytest

from autoseg.data.annotated import find_unannotated
from autoseg.data.checking import check_dataset
from autoseg.data.labels import Labels, Region
from autoseg.data.layouts import read_dataset
from autoseg.errors import DatasetError

ORGANS = Labels(names=("background", "liver", "spleen", "cyst"), values=(0, 1, 2, 3))
WHOLE, CORE = Region(name="whole", labels=(1, 2, 3), paints=1), Region(name="core", labels=(2, 3), paints=2)
TUMOUR = Labels(names=("background", "label_1", "label_2", "cyst"), values=(0, 1, 2, 3), regions=(WHOLE, CORE))


@pytest.mark.parametrize(
    ("labels", "names", "marks"),
    [
        (ORGANS, None, (True, True, True, True)),
        (ORGANS, ("spleen",), (True, False, True, False)),
        (TUMOUR, None, (True, True)),
        (TUMOUR, ("core",), (False, True)),
        (TUMOUR, ("cyst",), (False, False)),
        (TUMOUR, ("cyst", "label_2"), (False, True)),
    ],
)
def test_marks_stand_in_the_order_of_the_outputs(labels: Labels, names: Any, marks: tuple[bool, ...]) -> None:
    assert labels.mark_annotated(names) == marks


def test_only_labels_outside_of_everything_annotated_are_unexpected() -> None:
    assert find_unannotated(("spleen",), ORGANS) == (1, 3)
    assert find_unannotated(("core",), TUMOUR) == (1,)
    assert find_unannotated(("whole",), TUMOUR) == find_unannotated(None, ORGANS) == ()


def test_cases_know_what_they_annotate(build: Any) -> None:
    listed = {"a": ["organ"], "b": ["organ", "lesion"], "c": ["background", "lesion"]}
    dataset = read_dataset(build.nnunet(annotated_labels=listed))
    assert [case.annotated for case in dataset.cases] == [("organ",), None, ("lesion",), None, None]
    assert dataset.notes == ("2 of 5 cases are annotated for some labels only, as dataset.json lists them.",)


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ({"a": ["organs"]}, r"annotated_labels\.a: there is no label organs\. Did you mean organ\?"),
        ({"x": ["organ"]}, r"annotated_labels: there is no case x\. Known: a, b"),
        ({"a": []}, r"annotated_labels\.a: \[\] is nothing to learn from\. Name at least one of organ, lesion"),
        ({"a": ["background"]}, "is nothing to learn from"),
        ({"a": "organ"}, "must be a list of names out of background, organ, lesion, but is 'organ'"),
        (["a"], r'must be like \{"case_01": \["liver"\]\}, but is a list'),
    ],
)
def test_wrong_lists_are_one_clear_line(build: Any, listed: Any, words: str) -> None:
    with pytest.raises(DatasetError, match=rf"^\S+dataset\.json: .*{words}"):
        read_dataset(build.nnunet(annotated_labels=listed))


def test_voxels_of_a_label_that_is_not_annotated_are_an_error(build: Any) -> None:
    build.nnunet(annotated_labels={"a": ["organ"], "b": ["organ"]})
    build.segmentation("labelsTr/b.nii.gz", (0, 1))
    (problem,) = check_dataset(read_dataset(build.folder))
    assert (problem.severity, problem.where) == ("error", "a")
    assert (
        "a.nii.gz holds 35 voxels of lesion, but annotated_labels in dataset.json lists organ alone" in problem.message
    )


def test_a_case_that_is_ignored_altogether_is_an_error(build: Any) -> None:
    build.nnunet(labels={"background": 0, "organ": 1, "lesion": 2, "ignore": 3})
    build.segmentation("labelsTr/b.nii.gz", (3,))
    (problem,) = check_dataset(read_dataset(build.folder))
    assert (problem.severity, problem.where) == ("error", "b")
    assert "every voxel of b.nii.gz is ignored" in problem.message
