"""Comparisons against scipy and closed forms, and the false-positive rate under the null."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from autoseg.data.labels import Labels
from autoseg.errors import UsageError
from autoseg.evaluation.comparing import (
    bootstrap_interval,
    compare,
    compare_all,
    correct_holm,
    pair_differences,
    signed_rank_p_value,
)
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import METRICS, CaseScores, LabelScores, Report

LABELS = Labels(names=("background", "a", "b"), values=(0, 1, 2))


def report(a: Sequence[float], b: Sequence[float] | None = None) -> Report:
    """A report with these Dice values for the labels a and b, one per case."""
    return make_report(
        [
            CaseScores(case_id=f"case_{i:03}", labels={"a": label(dices[0]), "b": label(dices[1])})
            for i, dices in enumerate(zip(a, a if b is None else b, strict=True))
        ],
        LABELS,
    )


def label(dice: float) -> LabelScores:
    return LabelScores(**{**dict.fromkeys(METRICS, 0.0), "dice": dice})


def random_dices(seed: int, n: int = 20, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.8 + shift, 0.03, n)


def test_real_difference_is_shown_in_words() -> None:
    comparison = compare(report(random_dices(1, shift=0.1)), report(random_dices(2)), names=("big", "small"))
    assert comparison.is_shown
    assert comparison.interval[0] < comparison.mean_difference < comparison.interval[1]
    assert comparison.sentence.startswith("big is better than small on 20 cases: big minus small is Dice +0.")


def test_direction_turns_with_the_names() -> None:
    one, other = report(random_dices(1, shift=0.1)), report(random_dices(2))
    there, back = compare(one, other, names=("x", "y")), compare(other, one, names=("y", "x"))
    assert there.mean_difference == pytest.approx(-back.mean_difference)
    assert there.superiority == pytest.approx(1 - back.superiority)
    assert back.sentence.startswith("x is better than y")


def test_equal_reports_differ_in_nothing() -> None:
    comparison = compare(report(random_dices(1)), report(random_dices(1)), names=("x", "y"))
    assert (comparison.mean_difference, comparison.p_value, comparison.superiority) == (0, 1, 0.5)
    assert comparison.sentence.startswith("No difference that 20 cases can show")


def test_five_cases_can_show_nothing() -> None:
    assert not compare(report([0.9] * 5), report(np.linspace(0.1, 0.2, 5)), names=("x", "y")).is_shown
    assert compare(report([0.9] * 6), report(np.linspace(0.1, 0.2, 6)), names=("x", "y")).is_shown


def test_signed_rank_of_six_wins_by_hand() -> None:
    assert signed_rank_p_value(np.arange(1.0, 7.0)) == pytest.approx(2 / 2**6)
    assert signed_rank_p_value(np.zeros(6)) == 1


def test_holm_by_hand() -> None:
    """Holm (1979): sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, never falling."""
    assert correct_holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert correct_holm([0.9, 0.8]) == [1.0, 1.0]


def test_correction_makes_every_comparison_harder() -> None:
    reports = {f"method {i}": report(random_dices(i, shift=0.01 * i)) for i in range(4)}
    comparisons = compare_all(reports)
    assert len(comparisons) == 6
    assert all(comparison.p_corrected >= comparison.p_value for comparison in comparisons)


def test_interval_is_near_that_of_student_for_normal_values() -> None:
    values = np.random.default_rng(3).normal(0.1, 0.2, 40)
    student = stats.t.interval(0.95, 39, loc=values.mean(), scale=stats.sem(values))
    assert bootstrap_interval(values) == pytest.approx(student, abs=0.01)
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval([0.3]) == (-math.inf, math.inf)


def test_pairs_are_cases_with_something_to_compare() -> None:
    """Case 0: b rightly empty against wrongly found; case 1: b undefined in both; case 2: nothing defined at all."""
    one = report([0.8, 0.9, math.nan], [math.nan, math.nan, math.nan])
    other = report([0.7, 0.7, math.nan], [0.0, math.nan, math.nan])
    assert pair_differences(one, other) == pytest.approx([(0.1 + 1.0) / 2, 0.2])


def test_other_cases_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match=r"different cases \(case_002"):
        compare(report([0.1, 0.2, 0.3]), report([0.1, 0.2]), names=("x", "y"))
    with pytest.raises(UsageError, match="no case has a label"):
        compare(report([math.nan]), report([math.nan]), names=("x", "y"))


def test_false_positives_stay_near_the_nominal_rate_between_equals() -> None:
    """400 experiments without a difference: 5% may be called different; 2% to 8% is what 400 can tell from that."""
    generator = np.random.default_rng(7)
    experiments = generator.standard_t(4, (400, 20)) * 0.02
    rejected = [signed_rank_p_value(differences) < 0.05 for differences in experiments]
    missed = [not low <= 0 <= high for low, high in (bootstrap_interval(d, n_resamples=400) for d in experiments)]
    assert 0.02 <= np.mean(rejected) <= 0.08
    assert 0.02 <= np.mean(missed) <= 0.08
    assert np.mean(np.logical_and(rejected, missed)) <= 0.06
