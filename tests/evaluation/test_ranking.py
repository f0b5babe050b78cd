"""Ranks against scipy, Demšar's tables and cases counted by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy import stats

from autoseg.data.labels import Labels
from autoseg.errors import UsageError
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.ranking import (
    Ranking,
    find_critical_difference,
    find_groups,
    friedman_p_value,
    rank_cases,
    rank_methods,
    score_cases,
)
from autoseg.evaluation.report import CaseScores, LabelScores, Report

LABELS = Labels(names=("background", "organ"), values=(0, 1))
OTHERS = ("jaccard", "precision", "recall", "reference_ml", "predicted_ml", "volume_error_ml")


def report(dices: Sequence[float]) -> Report:
    def label(dice: float) -> LabelScores:
        return LabelScores(dice=dice, **dict.fromkeys(OTHERS, 0.0))

    cases = [CaseScores(case_id=f"case_{i:03}", labels={"organ": label(dice)}) for i, dice in enumerate(dices)]
    return make_report(cases, LABELS)


def rank(methods: Mapping[str, Sequence[float]], **options: object) -> Ranking:
    ranking = rank_methods({name: report(dices) for name, dices in methods.items()}, **options)  # type: ignore[arg-type]
    assert ranking is not None
    return ranking


def random_methods(n_methods: int, n_cases: int, seed: int = 0, step: float = 0.0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    case = generator.normal(0.7, 0.1, n_cases)
    return {f"method {i}": case + generator.normal(-step * i, 0.02, n_cases) for i in range(n_methods)}


@pytest.mark.parametrize(
    ("n_methods", "published"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_critical_values_are_those_of_demsar(n_methods: int, published: float) -> None:
    """Demšar (2006), table 5a, to its three decimals."""
    scale = math.sqrt(n_methods * (n_methods + 1) / (6 * 14))
    assert find_critical_difference(n_methods, 14) / scale == pytest.approx(published, abs=0.0011)


def test_critical_difference_of_demsars_example() -> None:
    """Demšar (2006), section 3.2.4: four classifiers, fourteen data sets."""
    assert find_critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


@pytest.mark.parametrize("decimals", [1, 8])
def test_ranks_and_friedman_are_those_of_scipy(decimals: int) -> None:
    """Rounded to one decimal, most cases hold ties."""
    dices = np.stack(list(random_methods(5, 30, step=0.03).values()), axis=-1).round(decimals)
    np.testing.assert_array_equal(rank_cases(dices), stats.rankdata(-dices, axis=1))
    assert friedman_p_value(rank_cases(dices)) == pytest.approx(stats.friedmanchisquare(*dices.T).pvalue)


def test_friedman_of_two_methods_is_the_chi_square_of_signs() -> None:
    """Nine wins of twelve: (9 - 3)**2 / 12 on one degree of freedom."""
    ranks = np.array([[1.0, 2.0]] * 9 + [[2.0, 1.0]] * 3)
    assert friedman_p_value(ranks) == pytest.approx(stats.chi2.sf(3.0, 1))


def test_a_clear_order_is_told_in_words() -> None:
    ranking = rank(random_methods(3, 60, step=0.1))
    assert ranking.methods == ("method 0", "method 1", "method 2")
    assert ranking.groups == ()
    assert ranking.rank_shares["method 0"] == (1.0, 0.0, 0.0)
    assert ranking.stability == 1
    assert ranking.sentence.startswith("method 0 ranks first of 3 on 60 cases, mean rank 1.00, shown to rank before")


def test_what_cannot_be_told_apart_stands_in_one_group() -> None:
    methods = {**random_methods(2, 60), "worse": np.full(60, 0.1)}
    ranking = rank(methods)
    assert [set(group) for group in ranking.groups] == [{"method 0", "method 1"}]
    assert "shown to rank before worse" in ranking.sentence
    assert f"not shown to rank before {ranking.methods[1]}" in ranking.sentence


def test_groups_are_maximal_runs() -> None:
    assert find_groups("abcde", [1.0, 2.0, 3.0, 3.5, 6.0], 1.5) == (("a", "b"), ("b", "c", "d"))
    assert find_groups("ab", [1.0, 2.0], 0.5) == ()
    assert find_groups("abc", [1.0, 2.0, 3.0], math.inf) == (("a", "b", "c"),)


def test_equal_methods_share_every_rank() -> None:
    ranking = rank({name: [0.3, 0.5, 0.9] for name in "abc"})
    assert ranking.mean_ranks == (2.0, 2.0, 2.0)
    assert ranking.friedman_p == 1
    assert ranking.groups == (("a", "b", "c"),)
    assert ranking.rank_shares["b"] == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert ranking.stability == 1
    assert "differ by no more than 3 cases would make them differ by chance" in ranking.sentence


def test_rank_shares_of_two_methods_are_binomial() -> None:
    """Two wins of three: a resample of three holds at least two wins with probability 20 / 27."""
    ranking = rank({"a": [0.9, 0.9, 0.1], "b": [0.5, 0.5, 0.5]}, n_resamples=20_000)
    assert ranking.rank_shares["a"] == pytest.approx((20 / 27, 7 / 27), abs=0.01)
    assert ranking.stability == pytest.approx(20 / 27 - 7 / 27, abs=0.02)


def test_shares_add_up_and_stability_is_the_mean_of_scipys_tau() -> None:
    methods = random_methods(4, 12, step=0.01)
    ranking = rank(methods, n_resamples=200)
    shares = np.array(list(ranking.rank_shares.values()))
    np.testing.assert_allclose([shares.sum(axis=0), shares.sum(axis=1)], 1)
    dices = np.stack([methods[name] for name in ranking.methods], axis=-1)
    drawn = np.random.default_rng(20210).integers(12, size=(200, 12))
    taus = [
        stats.kendalltau(rank_cases(dices).sum(axis=0), rank_cases(dices[its]).sum(axis=0)).statistic for its in drawn
    ]
    assert ranking.stability == pytest.approx(np.mean(taus))


def test_resampling_stays_within_folds() -> None:
    """In each fold a method always wins, so that no resample of equal folds can rank them otherwise."""
    methods = {"a": [0.9] * 6 + [0.1] * 4, "b": [0.5] * 10}
    fold_of = {f"case_{i:03}": int(i >= 6) for i in range(10)}
    assert rank(methods, fold_of=fold_of).rank_shares["a"] == (1.0, 0.0)
    assert rank(methods).rank_shares["a"][0] < 0.9
    with pytest.raises(UsageError, match="No fold is told for case_009"):
        rank(methods, fold_of={name: fold for name, fold in fold_of.items() if name != "case_009"})


def test_rightly_empty_is_best_among_several() -> None:
    """Case 0: nobody counts b; case 1: two left it rightly empty, one found something; case 2: nothing to rank by."""
    nan = math.nan
    tables = [
        np.array([[0.8, nan], [nan, nan], [nan, nan]]),
        np.array([[0.7, nan], [nan, 0.0], [nan, nan]]),
        np.array([[0.6, nan], [nan, nan], [nan, nan]]),
    ]
    np.testing.assert_array_equal(score_cases(tables), [[0.8, 0.7, 0.6], [1, 0, 1], [nan, nan, nan]])


def test_fewer_than_six_cases_say_nothing_about_stability() -> None:
    """Every resample of five cases that agree agrees with them; whether others would, nobody knows."""
    five, six = (rank(random_methods(3, n, step=0.3)).sentence for n in (5, 6))
    assert five.startswith("method 0 ranks first of 3 on 5 cases")
    assert five.endswith(".")
    assert "resamples" not in five
    assert "came first in 100% of 10000 resamples" in six
    assert "resamples" not in rank({name: [0.3, 0.5, 0.9] for name in "abc"}).sentence


def test_ranks_of_folds_are_those_of_their_models() -> None:
    fold_of = {f"case_{i:03}": i % 2 for i in range(12)}
    methods = random_methods(3, 12, step=0.3)
    assert "on 12 cases, for the models trained here, mean rank 1.00" in rank(methods, fold_of=fold_of).sentence
    assert "trained" not in rank(methods).sentence


def test_what_cannot_be_ranked_is_no_ranking() -> None:
    assert rank_methods({"a": report([0.5])}) is None
    assert rank_methods({}) is None
    assert rank_methods({"a": report([math.nan]), "b": report([math.nan])}) is None
    with pytest.raises(UsageError, match="different cases"):
        rank({"a": [0.5], "b": [0.5, 0.6]})
