"""Are the folds those of scikit-learn, and does each case validate once?"""

from __future__ import annotations

import pytest
from sklearn.model_selection import KFold

from autoseg.data.splits import make_splits
from autoseg.errors import DatasetError, UsageError


@pytest.mark.parametrize("n_cases", [5, 7, 23, 208])
@pytest.mark.parametrize("n_folds", [2, 5])
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


def test_another_seed_is_another_split() -> None:
    assert make_splits("abcdefg", seed=1) != make_splits("abcdefg", seed=2)


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(DatasetError, match="5 folds need at least 5 cases, but there are 3"):
        make_splits("abc")
    with pytest.raises(UsageError, match="at least 2 folds, not 1"):
        make_splits("abc", n_folds=1)
    with pytest.raises(DatasetError, match=r"occur twice: b\."):
        make_splits("abbc", n_folds=2)
