"""Comparisons in numbers and in words; how often they err is simulated in `test_null_simulation`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from autoseg.data.labels import Labels
from autoseg.errors import UsageError
from autoseg.evaluation.comparing import (
    Comparison,
    compare_all,
    compare_differences,
    compare_pairs,
    share_interval,
)
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.pairing import Differences
from autoseg.evaluation.report import CaseScores, LabelScores, Report
from autoseg.serialization import dump_json, parse_json, parse_record

LABELS = Labels(names=("background", "a", "b"), values=(0, 1, 2))
OTHERS = ("jaccard", "precision", "recall", "reference_ml", "predicted_ml", "volume_error_ml")


def report(a: Sequence[float], b: Sequence[float] | None = None) -> Report:
    """A report with these Dice values for the labels a and b, one per case."""
    return make_report(
        [
            CaseScores(case_id=f"case_{i:03}", labels={"a": label(dices[0]), "b": label(dices[1])})
            for i, dices in enumerate(zip(a, a if b is None else b, strict=True))
        ],
        LABELS,
    )


def compare(one: Report, other: Report, **options: object) -> Comparison:
    """Of x and y, the only pair."""
    return compare_all({"x": one, "y": other}, **options)[0]  # type: ignore[arg-type]


def label(dice: float) -> LabelScores:
    return LabelScores(dice=dice, **dict.fromkeys(OTHERS, 0.0))


def random_dices(seed: int, n: int = 20, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.8 + shift, 0.03, n)


def test_real_difference_is_shown_in_words() -> None:
    comparison = compare(report(random_dices(1, shift=0.1)), report(random_dices(2)))
    assert comparison.is_shown
    assert comparison.interval[0] < comparison.mean_difference < comparison.interval[1]
    assert comparison.sentence.startswith("x is better than y on 20 cases: x minus y is Dice +0.")


def test_direction_turns_with_the_names() -> None:
    one, other = report(random_dices(1, shift=0.1)), report(random_dices(2))
    there, back = compare_all({"x": one, "y": other})[0], compare_all({"y": other, "x": one})[0]
    assert there.mean_difference == pytest.approx(-back.mean_difference)
    assert there.superiority == pytest.approx(1 - back.superiority)
    assert back.sentence.startswith("x is better than y")


def test_equal_reports_differ_in_nothing() -> None:
    comparison = compare(report(random_dices(1)), report(random_dices(1)))
    assert (comparison.mean_difference, comparison.p_value, comparison.superiority) == (0, 1, 0.5)
    assert comparison.sentence.startswith("No difference that 20 cases can show")


def test_five_cases_can_show_nothing() -> None:
    few = compare(report([0.9] * 5), report(np.linspace(0.1, 0.2, 5)))
    assert not few.is_shown
    assert few.sentence.startswith("No difference that 5 cases can show, for fewer than 6 can show none: x minus y")
    assert compare(report([0.9] * 6), report(np.linspace(0.1, 0.2, 6))).is_shown


def test_one_case_has_no_interval() -> None:
    one = compare(report([0.9]), report([0.8]))
    assert one.interval == (-math.inf, math.inf)
    assert one.sentence.startswith("No difference that 1 case can show, for fewer than 6 can show none")
    assert one.sentence.endswith("x minus y is Dice +0.1000, without an interval.")
    assert parse_record(Comparison, parse_json(dump_json(one), where="here"), where="here") == one


def test_several_comparisons_take_more_cases() -> None:
    """Three pairs: 3 * 2 / 2**6 is above 5%, 3 * 2 / 2**7 is below."""
    methods = {name: np.linspace(low, low + 0.1, 7) for name, low in (("a", 0.1), ("b", 0.3), ("c", 0.6))}
    assert all(each.is_shown for each in compare_all({name: report(dices) for name, dices in methods.items()}))
    fewer = compare_all({name: report(dices[:6]) for name, dices in methods.items()})
    assert not any(each.is_shown for each in fewer)
    said = "No difference that 6 cases can show among 3 comparisons, for fewer than 7 can show none: b minus a"
    assert fewer[0].sentence.startswith(said)


def test_pairs_are_corrected_for_their_number_alone() -> None:
    reports = {f"method {i}": report(random_dices(i, shift=0.02 * (i == 2))) for i in range(4)}
    its = compare_pairs(reports, [("method 2", "method 0"), ("method 2", "method 1")])
    assert [(each.one, each.other, each.n_comparisons) for each in its] == [
        ("method 2", "method 0", 2),
        ("method 2", "method 1", 2),
    ]
    smaller, larger = sorted(each.p_value for each in its)
    assert larger < 0.5
    assert sorted(each.p_corrected for each in its) == pytest.approx([2 * smaller, max(2 * smaller, larger)])


def test_folds_narrow_the_interval_and_say_where_they_disagree() -> None:
    """What is the same within a fold is no sampling error; a fold that says otherwise is named."""
    fold_of = {f"case_{i:03}": i % 3 for i in range(24)}
    one = random_dices(1, 24) + np.array([0.5, 0.3, -0.1])[np.arange(24) % 3]
    apart = compare(report(one), report(random_dices(2, 24)), fold_of=fold_of)
    together = compare(report(one), report(random_dices(2, 24)))
    assert np.diff(apart.interval) < 0.5 * np.diff(together.interval)
    assert list(apart.fold_differences) == ["0", "1", "2"]
    assert np.mean(list(apart.fold_differences.values())) == pytest.approx(apart.mean_difference)
    assert apart.is_shown
    assert apart.sentence.startswith("x is better than y on 24 cases, for the models trained here: x minus y")
    assert "trained" not in together.sentence
    assert apart.sentence.endswith("though not in 1 of 3 folds.")
    with pytest.raises(UsageError, match=r"No fold is told for case_001, case_002"):
        compare(report(one), report(one), fold_of={"case_000": 0})


def test_the_mean_and_the_ranks_must_agree() -> None:
    """Three great wins make the mean, twenty-seven small losses the ranks."""
    values = np.r_[np.full(3, 0.5), -np.linspace(0.001, 0.002, 27)]
    (comparison,) = compare_differences([Differences(("x", "y"), np.r_[values, values, values])])
    assert comparison.interval[0] > 0
    assert comparison.p_corrected < 0.05
    assert not comparison.is_shown


def test_the_interval_too_is_corrected_for_the_number_of_comparisons() -> None:
    """Most cases lose a little, so that ranks are sure; a long tail leaves the mean hardly below 0."""
    values = -np.log(1 - (np.arange(80) + 0.5) / 80) - 1.3
    (alone,) = compare_differences([Differences(("x", "y"), values)])
    assert alone.is_shown
    among_ten = compare_differences([Differences(("x", "y"), values)] * 10)[0]
    assert among_ten.interval == alone.interval
    assert among_ten.p_corrected < 0.05
    assert not among_ten.is_shown
    assert among_ten.sentence.startswith("No difference that 80 cases can show among 10 comparisons: y minus x")


def test_noise_of_floating_point_is_a_tie() -> None:
    comparison = compare(report([0.9] * 8, [0.7] * 8), report([0.7] * 8, [0.9] * 8))
    assert (comparison.superiority, comparison.p_value) == (0.5, 1)


def test_interval_of_superiority_is_that_of_wilson() -> None:
    proportion = stats.binomtest(8, 10).proportion_ci(method="wilson")
    assert share_interval(0.8, 10) == pytest.approx((proportion.low, proportion.high), abs=1e-6)
    comparison = compare(report([0.9] * 9), report([0.8] * 9))
    assert comparison.superiority_interval == pytest.approx((1 / (1 + 1.959964**2 / 9), 1))


def test_a_comparison_of_an_earlier_version_is_read() -> None:
    comparison = compare(report(random_dices(1)), report(random_dices(2)))
    content = parse_json(dump_json(comparison), where="here")
    for name in ("n_comparisons", "superiority_interval", "fold_differences"):
        del content[name]
    old = parse_record(Comparison, content, where="here")
    assert (old.sentence, old.n_comparisons, old.superiority_interval) == (comparison.sentence, 1, (0, 1))


def test_correction_makes_every_comparison_harder() -> None:
    reports = {f"method {i}": report(random_dices(i, shift=0.01 * i)) for i in range(4)}
    comparisons = compare_all(reports)
    assert len(comparisons) == 6
    assert all(comparison.p_corrected >= comparison.p_value for comparison in comparisons)


def test_other_cases_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match=r"different cases \(case_002"):
        compare(report([0.1, 0.2, 0.3]), report([0.1, 0.2]))
    with pytest.raises(UsageError, match="no case has a label"):
        compare(report([math.nan]), report([math.nan]))
