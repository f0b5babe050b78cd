"""Intervals against Student's, closed forms and exhaustive resamples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from autoseg.evaluation import bootstrapping
from autoseg.evaluation.bootstrapping import (
    bootstrap_interval,
    draw_resamples,
    find_reach,
    group_cases,
    stretch_deviations,
)


def test_interval_is_near_that_of_student_for_normal_values() -> None:
    values = np.random.default_rng(3).normal(0.1, 0.2, 40)
    student = stats.t.interval(0.95, 39, loc=values.mean(), scale=stats.sem(values))
    assert bootstrap_interval(values) == pytest.approx(student, abs=0.01)
    narrower = stats.t.interval(0.8, 39, loc=values.mean(), scale=stats.sem(values))
    assert bootstrap_interval(values, level=0.2) == pytest.approx(narrower, abs=0.01)


def test_the_same_seed_gives_the_same_interval_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).normal(0.1, 0.2, 40)
    whole = bootstrap_interval(values, n_resamples=500)
    assert bootstrap_interval(values, n_resamples=500, seed=1) != whole
    monkeypatch.setattr(bootstrapping, "CHUNK", 100)
    assert bootstrap_interval(values, n_resamples=500) == pytest.approx(whole, abs=1e-12)


def test_resamples_spread_as_much_as_new_cases() -> None:
    """All 4**4 resamples of four cases: their stretched means have the variance s**2 / n."""
    values = np.array([0.1, 0.5, 0.6, 0.9])
    deviations = stretch_deviations(values, group_cases(4))
    means = [np.mean(drawn) for drawn in itertools.product(deviations, repeat=4)]
    assert np.var(means) == pytest.approx(values.var(ddof=1) / 4)


def test_folds_of_two_cases_spread_as_much_as_stratified_samples() -> None:
    """Variance of a stratified mean: the sum of (n_k / n)**2 s_k**2 / n_k over folds."""
    values, folds = np.array([0.1, 0.5, 0.6, 0.9, 0.2, 0.3, 0.3]), [0, 1, 0, 1, 2, 2, 2]
    its = [values[np.array(folds) == fold] for fold in range(3)]
    variance = sum((len(fold) / 7) ** 2 * fold.var(ddof=1) / len(fold) for fold in its)
    groups = group_cases(7, folds)
    deviations = stretch_deviations(values, groups)
    means = np.concatenate(
        [deviations[drawn].mean(axis=1) for drawn in draw_resamples(groups, seed=0, n_resamples=40_000)]
    )
    assert means.var() == pytest.approx(variance, rel=0.03)


def test_what_differs_between_folds_alone_does_not_widen() -> None:
    values = np.random.default_rng(0).normal(0, 0.01, 40)
    folds = np.arange(40) % 4
    low, high = bootstrap_interval(values + folds, strata=folds.tolist())
    assert high - low < 0.01
    assert low < values.mean() + 1.5 < high
    low, high = bootstrap_interval(values + folds)
    assert high - low > 0.5


def test_every_draw_keeps_the_size_of_each_fold() -> None:
    folds = np.array([0, 1, 1, 2, 2, 2, 2, 0])
    for drawn in draw_resamples(group_cases(8, folds.tolist()), seed=0, n_resamples=50):
        assert drawn.shape == (50, 8)
        assert (np.sort(folds[drawn], axis=1) == np.sort(folds)).all()


def test_folds_of_a_single_case_are_drawn_with_others() -> None:
    def members(*strata: int) -> list[list[int]]:
        return sorted(group.tolist() for group in group_cases(len(strata), strata))

    assert members(0, 1, 0, 1, 2) == [[0, 2, 4], [1, 3]]
    assert members(0, 1, 0, 2) == [[0, 2], [1, 3]]
    assert members(0, 1, 2) == [[0, 1, 2]]
    assert members(0) == [[0]]


def test_the_long_tail_reaches_further_and_the_other_side_as_far_as_student() -> None:
    """With a, a sixth of the mean's skewness, the upper end lies at a + (a + t) / (1 - a (a + t))."""
    deviations = np.array([-1.0] * 9 + [9.0])
    a = (9**3 - 9) / (6 * 90**1.5)
    student = stats.t.ppf(0.975, 9)
    low, high = find_reach(deviations, 9)
    assert low == pytest.approx(-student)
    assert high == pytest.approx(a + (a + student) / (1 - a * (a + student)))
    assert find_reach(-deviations, 9) == pytest.approx((-high, -low))


def test_few_and_equal_values_are_defined() -> None:
    assert bootstrap_interval([0.3]) == (-math.inf, math.inf)
    assert bootstrap_interval([]) == (-math.inf, math.inf)
    assert bootstrap_interval([0.3] * 5) == pytest.approx((0.3, 0.3))


def test_intervals_of_skewed_values_cover_their_mean() -> None:
    """600 samples of 20 exponential values: without the longer tail 91 to 92% of the intervals hold the mean."""
    generator = np.random.default_rng(5)
    samples = generator.exponential(size=(600, 20))
    intervals = [bootstrap_interval(values, n_resamples=600, seed=i) for i, values in enumerate(samples)]
    assert 0.925 <= np.mean([low <= 1 <= high for low, high in intervals]) <= 0.975


@pytest.mark.parametrize(("n_cases", "least"), [(2, 0.92), (3, 0.93), (4, 0.93), (5, 0.93), (6, 0.93)])
def test_intervals_of_few_normal_values_cover_their_mean(n_cases: int, least: float) -> None:
    """500 samples each: percentiles alone hold the mean of two values in 56%, of three in 82%."""
    samples = np.random.default_rng(n_cases).normal(size=(500, n_cases))
    intervals = [bootstrap_interval(values, n_resamples=500) for values in samples]
    assert np.mean([low <= 0 <= high for low, high in intervals]) >= least


def test_two_symmetric_values_have_the_interval_of_student() -> None:
    """Skewness of two values is 0: their mean and 12.7 standard errors on either side."""
    student = stats.t.interval(0.95, 1, loc=0.95, scale=stats.sem([0.9, 1.0]))
    assert bootstrap_interval([0.9, 1.0]) == pytest.approx(student)


@pytest.mark.parametrize("n_cases", [6, 12, 20])
def test_a_level_beyond_the_resamples_reaches_as_far_as_student(n_cases: int) -> None:
    """The level of 36 comparisons: among 10,000 resamples fewer than ten lie beyond."""
    for seed in range(5):
        values = np.random.default_rng(seed).normal(size=n_cases)
        student = stats.t.interval(1 - 0.05 / 36, n_cases - 1, loc=values.mean(), scale=stats.sem(values))
        low, high = bootstrap_interval(values, level=0.05 / 36)
        assert low <= student[0] + 1e-9
        assert high >= student[1] - 1e-9


def test_few_folds_of_two_reach_as_far_as_student_within_folds() -> None:
    """Three pairs: three differences of two, of which nine resamples in sixty-four are at the outermost."""
    values, folds = np.array([0.1, 0.3, 0.5, 0.9, 0.2, 0.8]), [0, 0, 1, 1, 2, 2]
    error = math.sqrt(sum(np.var(values[[i, i + 1]], ddof=1) * 2 for i in (0, 2, 4))) / 6
    low, high = bootstrap_interval(values, strata=folds)
    assert (low, high) == pytest.approx(values.mean() + np.array([-1, 1]) * stats.t.ppf(0.975, 3) * error)
