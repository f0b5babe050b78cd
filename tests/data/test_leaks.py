"""Is everything found by which a model could see in training what it is scored on?"""

from __future__ import annotations

import pytest

from autoseg.data.groups import Grouping
from autoseg.data.leaks import find_leaks
from autoseg.data.splits import Split, make_splits

IDS = ("a1", "a2", "b1", "b2")
HALVES = (Split(train=("a1", "a2"), validation=("b1", "b2")), Split(train=("b1", "b2"), validation=("a1", "a2")))
GROUPS = Grouping(source="groups.csv", group_of={"a1": "a", "a2": "a", "b1": "b", "b2": "b"})


@pytest.mark.parametrize("n_folds", [2, 3, 4])
def test_what_autoseg_makes_has_no_leak(n_folds: int) -> None:
    assert find_leaks(make_splits(IDS, n_folds), IDS) == ()
    assert find_leaks(HALVES, IDS, grouping=GROUPS, files_of={"a1": ("x",), "a2": ("x",), "b1": ("y",)}) == ()


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split(train=("a1", "a2", "b1"), validation=("b1", "b2")), "trains and validates on b1."),
        (Split(train=("a1", "b1"), validation=("a2", "b2")), "trains on a1 and validates on a2, both of group a."),
        (Split(train=("a1", "a3"), validation=("b1", "b2")), "names a3, but the dataset has no such case. Known: a1"),
        (Split(train=("a1", "a1"), validation=("b1", "b2")), "trains on a1 twice."),
        (Split(train=(), validation=("b1", "b2")), "trains on no case."),
        (Split(train=("a1", "a2"), validation=()), "validates on no case."),
    ],
)
def test_a_leak_is_an_error_that_names_its_fold(split: Split, message: str) -> None:
    errors = [one for one in find_leaks((HALVES[0], split), IDS, grouping=GROUPS) if one.severity == "error"]
    assert {one.where for one in errors} == {"fold 1"}
    assert errors[0].message.startswith(message)


def test_cases_that_are_validated_never_or_twice_are_worth_a_warning() -> None:
    (never,) = find_leaks(HALVES[:1], IDS)
    assert (never.severity, "no fold validates a1, a2:" in never.message) == ("warning", True)
    (often,) = find_leaks((*HALVES, HALVES[0]), IDS)
    assert (often.severity, "several folds validate b1, b2:" in often.message) == ("warning", True)


def test_the_same_image_on_both_sides_is_told_once_for_each_set_of_cases() -> None:
    files_of = {"a1": ("x", "1"), "b1": ("x", "2"), "a2": ("3",), "b2": ("4",)}
    (twins,) = find_leaks(HALVES, IDS, files_of=files_of)
    assert (twins.severity, twins.where) == ("warning", "fold 0")
    assert "trains on a1 and validates on b1, which have the same image file" in twins.message
