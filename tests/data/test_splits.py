"""Are the folds those of scikit-learn where nothing speaks against it, and do groups and labels keep their laws?"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from autoseg.data.splits import ALL, decide_splits, find_split, make_splits, seed_fold
from autoseg.errors import DatasetError, UsageError


@pytest.mark.parametrize("n_cases", [5, 7, 23, 208])
@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_folds_are_those_of_scikit_learn(n_cases: int, n_folds: int) -> None:
    ids = [f"case_{i:03d}" for i in range(n_cases)]
    expected = KFold(n_folds, shuffle=True, random_state=12345).split(ids)
    for split, (train, validation) in zip(make_splits(reversed(ids), n_folds), expected, strict=True):
        assert split.train == tuple(ids[i] for i in train)
        assert split.validation == tuple(ids[i] for i in validation)


def test_each_case_validates_once() -> None:
    splits = make_splits("abcdefg")
    assert sorted(case_id for split in splits for case_id in split.validation) == list("abcdefg")
    assert all(set(split.train) == set("abcdefg") - set(split.validation) for split in splits)


def test_as_many_folds_as_cases_leave_one_out() -> None:
    assert sorted(split.validation for split in make_splits("abc", 3)) == [("a",), ("b",), ("c",)]


def test_another_seed_is_another_split() -> None:
    assert make_splits("abcdefg", seed=1) != make_splits("abcdefg", seed=2)


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(DatasetError, match="5 folds need at least 5 cases, but there are 3"):
        make_splits("abc")
    with pytest.raises(UsageError, match="at least 2 folds, not 1"):
        make_splits("abc", n_folds=1)
    with pytest.raises(DatasetError, match=r"occur twice: b\."):
        make_splits("abbc", n_folds=2)
    with pytest.raises(DatasetError, match=r"All 2 cases are of one group \(anna\)"):
        decide_splits("ab", 2, group_of={"a": "anna", "b": "anna"})


def test_all_trains_on_every_case_of_the_folds_and_validates_none() -> None:
    splits = make_splits("gfedcba")
    assert find_split(splits, ALL).train == tuple("abcdefg")
    assert find_split(splits, ALL).validation == ()
    assert find_split(splits, 3) == splits[3]


def test_every_training_has_a_seed_of_its_own() -> None:
    assert [seed_fold(7, fold, 3) for fold in (0, 1, 2, ALL)] == [7, 8, 9, 10]


def test_groups_of_one_case_each_change_nothing() -> None:
    dealt = decide_splits("abcdefg", group_of={one: one.upper() for one in "abcdefg"})
    assert dealt.splits == make_splits("abcdefg")


def test_fewer_groups_than_folds_leave_one_group_out() -> None:
    dealt = decide_splits("abcdefg", 5, group_of=dict(zip("abcdefg", "xxyyzzz", strict=True)))
    assert sorted(split.validation for split in dealt.splits) == [("a", "b"), ("c", "d"), ("e", "f", "g")]
    assert "5 were asked for, but there are 3 groups" in dealt.reason


@settings(max_examples=100, deadline=None)
@given(sizes=st.lists(st.integers(1, 5), min_size=2, max_size=12), n_folds=st.integers(2, 10), seed=st.integers(0, 99))
def test_groups_are_never_divided_and_folds_are_as_equal_as_the_largest_group_lets_them(
    sizes: list[int], n_folds: int, seed: int
) -> None:
    group_of = {f"case_{group}_{i}": str(group) for group, size in enumerate(sizes) for i in range(size)}
    n_folds = min(n_folds, len(group_of))
    dealt = decide_splits(group_of, n_folds, group_of=group_of, seed=seed)
    assert sorted(one for split in dealt.splits for one in split.validation) == sorted(group_of)
    for split in dealt.splits:
        sides = [{group_of[case_id] for case_id in side} for side in (split.train, split.validation)]
        assert all(sides)
        assert not sides[0] & sides[1]
    n_validating = [len(split.validation) for split in dealt.splits]
    assert max(n_validating) - min(n_validating) <= max(sizes)


def test_labels_that_chance_spreads_well_change_nothing() -> None:
    ids = [f"{i:02d}" for i in range(40)]
    dealt = decide_splits(ids, labels_of={case_id: ("organ",) if int(case_id) % 2 else () for case_id in ids})
    assert dealt.splits == make_splits(ids)
    assert dealt.reason == "5 folds of 40 shuffled cases (seed 12345)"


def hide_in_fold(n_cases: int, n_hidden: int) -> dict[str, tuple[str, ...]]:
    """Labels of cases, of which those that chance puts into the first folds hold a lesion."""
    ids = [f"{i:02d}" for i in range(n_cases)]
    order = [case_id for split in make_splits(ids) for case_id in split.validation]
    return {case_id: ("organ", "lesion") if case_id in order[:n_hidden] else ("organ",) for case_id in ids}


def test_a_label_that_chance_keeps_from_a_validation_is_in_every_one() -> None:
    labels_of = hide_in_fold(20, 5)
    dealt = decide_splits(labels_of, labels_of=labels_of)
    assert [sum("lesion" in labels_of[one] for one in split.validation) for split in dealt.splits] == [1] * 5
    assert [len(split.validation) for split in dealt.splits] == [4] * 5
    assert dealt.balanced == ("lesion",)
    expected = "balanced in labels, because by chance fold 2 would validate without lesion, which 5 cases hold"
    assert expected in dealt.reason


def test_a_label_that_chance_keeps_from_a_training_is_in_every_one() -> None:
    labels_of = hide_in_fold(20, 2)
    assert not any("lesion" in labels_of[one] for one in make_splits(labels_of)[0].train)
    dealt = decide_splits(labels_of, labels_of=labels_of)
    assert all(any("lesion" in labels_of[one] for one in split.train) for split in dealt.splits)
    assert "fold 0 would train without lesion, which 2 cases hold" in dealt.reason


def test_groups_stay_together_while_labels_are_balanced() -> None:
    group_of = {f"{patient:02d}_{visit}": f"{patient:02d}" for patient in range(15) for visit in range(2)}
    chance = decide_splits(group_of, group_of=group_of).splits
    ill = {group_of[one] for split in chance[:2] for one in split.validation}
    labels_of = {one: ("organ", "lesion") if group_of[one] in ill else ("organ",) for one in group_of}
    dealt = decide_splits(group_of, group_of=group_of, labels_of=labels_of)
    n_ill = [len({group_of[one] for one in split.validation} & ill) for split in dealt.splits]
    assert max(n_ill) - min(n_ill) <= 1
    for split in dealt.splits:
        assert len(split.validation) == 6
        assert not {group_of[one] for one in split.train} & {group_of[one] for one in split.validation}


def test_the_order_in_which_cases_and_groups_are_named_does_not_matter() -> None:
    labels_of = hide_in_fold(30, 7)
    group_of = {one: one[0] + str(int(one) // 2) for one in labels_of}
    mixed = random.Random(0).sample(sorted(labels_of), len(labels_of))
    one, other = (
        decide_splits(ids, group_of={i: group_of[i] for i in ids}, labels_of={i: labels_of[i] for i in ids})
        for ids in (sorted(labels_of), mixed)
    )
    assert one == other
