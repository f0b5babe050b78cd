"""Are units dealt out so that folds are alike in size and labels?"""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from autoseg.data.stratifying import Lack, Unit, deal_units, find_lacks

LABELS = ("a", "b", "c")
CASES = st.lists(st.sets(st.sampled_from(LABELS)).map(lambda held: Unit(1, dict.fromkeys(sorted(held), 1))), min_size=2)
GROUPS = st.lists(
    st.integers(1, 5).flatmap(
        lambda n: st.dictionaries(st.sampled_from(LABELS), st.integers(1, n)).map(lambda held: Unit(n, held))
    ),
    min_size=2,
    max_size=15,
)


@settings(max_examples=150, deadline=None)
@given(units=CASES, n_folds=st.integers(2, 10), seed=st.integers(0, 9))
def test_folds_of_cases_differ_by_one_case_and_by_one_of_the_rarest_label(
    units: list[Unit], n_folds: int, seed: int
) -> None:
    folds = deal_units(units, min(n_folds, len(units)), LABELS, seed=seed)
    assert sorted(index for fold in folds for index in fold) == list(range(len(units)))
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    counts = Counter(label for unit in units for label in unit.holding)
    if counts:
        rarest = min(counts, key=lambda label: (counts[label], label))
        held = [sum(rarest in units[index].holding for index in fold) for fold in folds]
        assert max(held) - min(held) <= 1


@settings(max_examples=150, deadline=None)
@given(units=GROUPS, n_folds=st.integers(2, 10), seed=st.integers(0, 9))
def test_no_fold_of_groups_stays_empty(units: list[Unit], n_folds: int, seed: int) -> None:
    folds = deal_units(units, min(n_folds, len(units)), LABELS, seed=seed)
    assert all(folds)
    assert sorted(index for fold in folds for index in fold) == list(range(len(units)))


def test_a_fold_lacks_only_what_it_could_have() -> None:
    units = [Unit(1, {"a": 1}), Unit(1, {"a": 1}), Unit(1, {"b": 1}), Unit(1, {})]
    assert find_lacks(units, [[0, 1], [2, 3]], "ab") == (Lack("a", 0, "train", 2), Lack("a", 1, "validate", 2))
    assert find_lacks(units, [[0, 2], [1, 3]], "ab") == ()  # a single case of b cannot be on both sides
