"""The search for a learning rate looks at training cases alone and gives every method the same trials."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from autoseg.data.splits import Split, make_splits
from autoseg.errors import NumericalError, UsageError
from autoseg.evaluation.benchmark import RunResult
from autoseg.pipeline.benchmarking.searching import choose_rate, phrase_edges, search_rate, split_inside
from autoseg.serialization import write_text
from autoseg.workspace import Run
from tests.pipeline.benchmarking.test_gathering import RUNS

CASES = [f"case_{number:02d}" for number in range(23)]


@pytest.mark.parametrize("n_folds", [2, 5])
def test_no_trial_sees_a_validation_case(n_folds: int) -> None:
    splits = make_splits(CASES, n_folds)
    for fold, split in enumerate(splits):
        inner = split_inside(splits, fold)
        assert set(inner.train) | set(inner.validation) <= set(split.train)
        assert not set(inner.train) & set(inner.validation)
        assert inner.train
        assert inner.validation


def test_what_the_splits_keep_together_stays_together() -> None:
    """Held out is what another fold validates: its groups are whole."""
    splits = make_splits(CASES, 5)
    assert set(split_inside(splits, 3).validation) <= set(splits[4].validation)
    assert not set(split_inside(splits, 3).train) & set(splits[4].validation)


def test_groups_stay_together_where_training_cases_are_dealt_anew() -> None:
    """Of two folds the other one's validation cases are all that train. Three cases of each of four patients."""
    group_of = {f"{patient}_{number}": patient for patient in "abcdefgh" for number in range(3)}
    ids = tuple(sorted(group_of))
    splits = (Split(train=ids[12:], validation=ids[:12]), Split(train=ids[:12], validation=ids[12:]))
    for fold in (0, 1):
        inner = split_inside(splits, fold, group_of)
        assert inner.train
        assert not {group_of[one] for one in inner.train} & {group_of[one] for one in inner.validation}


def test_a_single_case_cannot_be_divided() -> None:
    with pytest.raises(UsageError, match="trains on 1 case"):
        split_inside((Split(train=("a",), validation=("b",)), Split(train=("b",), validation=("a",))), 0)


def test_the_best_rate_wins_and_among_equals_the_nearest() -> None:
    assert choose_rate({0.001: 0.4, 0.01: 0.5, 0.1: None}, base=0.01) == 0.01
    assert choose_rate({0.001: 0.5, 0.01: 0.5, 0.03: 0.5}, base=0.02) == 0.03
    with pytest.raises(NumericalError, match=r"tried 0.1, 1"):
        choose_rate({0.1: None, 1.0: None}, base=0.1)


def test_trials_are_kept_and_a_rate_that_diverges_is_one_that_failed(tmp_path: Path) -> None:
    asked: list[float] = []

    def try_rate(rate: float, inner: Split) -> float:
        asked.append(rate)
        if rate > 0.5:
            raise NumericalError("NaN")
        return math.nan if rate > 0.05 else 10 * rate

    inner = Split(train=("a",), validation=("b",))
    first = search_rate(Run(tmp_path), (0.01, 0.03, 0.1, 1.0), inner, 0.01, try_rate)
    again = search_rate(Run(tmp_path), (0.01, 0.03, 0.1, 1.0), inner, 0.01, try_rate)
    assert first == again
    assert first.chosen == 0.03
    assert first.dice["0.1"] is None
    assert first.dice["1"] is None
    assert asked == [0.01, 0.03, 0.1, 1.0]


@pytest.mark.parametrize("spoilt", [None, "{", '{"dice": {}}'])
def test_trials_of_other_rates_are_not_believed(tmp_path: Path, spoilt: str | None) -> None:
    asked: list[float] = []

    def try_rate(rate: float, inner: Split) -> float:
        asked.append(rate)
        return rate

    inner = Split(train=("a",), validation=("b",))
    search_rate(Run(tmp_path), (0.01, 0.03), inner, 0.01, try_rate)
    if spoilt is not None:
        write_text(tmp_path / "trials" / "trials.json", spoilt)
    assert search_rate(Run(tmp_path), (0.03, 0.1), inner, 0.1, try_rate).chosen == 0.1
    assert asked == [0.01, 0.03, 0.03, 0.1]


def test_a_best_rate_at_the_edge_of_those_tried_is_told() -> None:
    def train_with(run: RunResult, rate: float, *tried: float) -> RunResult:
        return run.model_copy(update={"learning_rate": rate, "trials": {f"{one:g}": 0.5 for one in tried}})

    inside, largest = train_with(RUNS[0], 0.01, 0.001, 0.01, 0.03), train_with(RUNS[1], 0.03, 0.001, 0.01, 0.03)
    assert phrase_edges([inside, RUNS[2]]) == ""
    assert "largest that was tried (0.03 in fold 1, seed 0): a better one may lie beyond" in phrase_edges(
        [inside, largest]
    )
