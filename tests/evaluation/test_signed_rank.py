"""The signed-rank test against scipy, all signs and Holm's own steps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from autoseg.evaluation.signed_rank import MAX_EXACT, correct_holm, lean_of, least_cases, signed_rank_p_value


def test_six_wins_by_hand() -> None:
    assert signed_rank_p_value(np.arange(1.0, 7.0)) == pytest.approx(2 / 2**6)
    assert signed_rank_p_value(np.zeros(6)) == 1
    assert signed_rank_p_value(np.array([])) == 1


@pytest.mark.parametrize("n", [1, 2, 7, 30, 50])
def test_without_ties_it_is_the_exact_test_of_scipy(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    assert signed_rank_p_value(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


@pytest.mark.parametrize("seed", range(4))
def test_with_ties_all_signs_are_counted(seed: int) -> None:
    differences = np.random.default_rng(seed).integers(-3, 6, 9) / 10
    nonzero = differences[differences != 0]
    ranks = stats.rankdata(np.abs(nonzero))
    sums = [np.dot(signs, ranks) for signs in itertools.product((-1, 1), repeat=nonzero.size)]
    reached = abs(np.dot(np.sign(nonzero), ranks))
    assert signed_rank_p_value(differences) == pytest.approx(np.mean(np.abs(sums) >= reached - 1e-9))


def test_equal_wins_on_five_cases_are_not_called_shown() -> None:
    """The normal approximation, which ignores that there are but 2**5 signs, would say 0.025."""
    assert signed_rank_p_value(np.full(5, 0.1)) == pytest.approx(2 / 2**5)


@pytest.mark.parametrize("step", [1e-9, 0.5])
def test_many_differences_are_tested_by_the_normal_distribution(step: float) -> None:
    """Close to the exact test beside it; scipy corrects for continuity and ties in the same way."""
    differences = (np.random.default_rng(2).normal(0.15, 1, MAX_EXACT + 60) / step).round() * step
    expected = stats.wilcoxon(differences, method="approx", correction=True, zero_method="wilcox").pvalue
    assert signed_rank_p_value(differences) == pytest.approx(expected, rel=0.01)


def test_the_lean_is_that_of_ranks_not_of_the_mean() -> None:
    assert lean_of(np.array([0.1, 0.2, 0.3, 0.4, -9.0])) == 1
    assert lean_of(np.array([-0.1, 0.0, -0.2])) == -1
    assert lean_of(np.array([0.1, -0.1])) == 0
    assert lean_of(np.zeros(3)) == 0


@pytest.mark.parametrize("n_comparisons", [1, 3, 15, 45])
def test_the_least_cases_are_the_first_whose_wins_are_shown(n_comparisons: int) -> None:
    least = least_cases(n_comparisons, 0.05)
    assert n_comparisons * signed_rank_p_value(np.arange(1.0, least + 1)) < 0.05
    assert n_comparisons * signed_rank_p_value(np.arange(1.0, least)) >= 0.05


def test_holm_by_hand() -> None:
    """Holm (1979): sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, never falling."""
    assert correct_holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert correct_holm([0.9, 0.8]) == [1.0, 1.0]
    assert correct_holm([]) == []
