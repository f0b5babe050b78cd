"""The size of a difference that would be shown, against simulated cases that have it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoseg.data.labels import Labels
from autoseg.evaluation.comparing import compare_differences
from autoseg.evaluation.detectable import find_smallest_difference, measure_spread, smallest_difference
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.pairing import Differences
from autoseg.evaluation.report import CaseScores, LabelScores, Report
from autoseg.evaluation.signed_rank import signed_rank_p_value

LABELS = Labels(names=("background", "organ"), values=(0, 1))
OTHERS = ("jaccard", "precision", "recall", "reference_ml", "predicted_ml", "volume_error_ml")


def report(dices: np.ndarray) -> Report:
    def label(dice: float) -> LabelScores:
        return LabelScores(dice=dice, **dict.fromkeys(OTHERS, 0.0))

    cases = [CaseScores(case_id=f"{i:03}", labels={"organ": label(float(dice))}) for i, dice in enumerate(dices)]
    return make_report(cases, LABELS)


@pytest.mark.parametrize(("n_cases", "n_comparisons"), [(6, 1), (12, 1), (52, 1), (10, 15), (30, 15)])
def test_a_difference_of_that_size_is_shown_four_times_in_five(n_cases: int, n_comparisons: int) -> None:
    """Of 600 experiments, by the whole test for one comparison and by its hardest step for several."""
    size = smallest_difference(0.05, n_cases, n_comparisons)
    generator = np.random.default_rng(n_cases)
    shown = []
    for values in generator.normal(size, 0.05, (600, n_cases)):
        if n_comparisons == 1:
            shown.append(compare_differences([Differences(("x", "y"), values)], n_resamples=200)[0].is_shown)
        else:
            shown.append(n_comparisons * signed_rank_p_value(values) < 0.05)
    assert np.mean(shown) == pytest.approx(0.8, abs=0.06)


def test_the_formula_by_hand() -> None:
    """z is 1.95996 and 0.84162: (1.95996 + 0.84162) / sqrt(3 * 52 / pi - 1.95996**2 / 2)."""
    expected = 0.03 * (1.95996 + 0.84162) / math.sqrt(3 * 52 / math.pi - 1.95996**2 / 2)
    assert smallest_difference(0.03, 52, 1) == pytest.approx(expected, rel=1e-4)
    assert smallest_difference(0.03, 52, 15) > expected > smallest_difference(0.03, 52, 1, power=0.5)


def test_too_few_cases_show_nothing_however_large() -> None:
    assert smallest_difference(0.01, 5, 1) == math.inf
    assert smallest_difference(0.01, 9, 15) == math.inf
    size, sentence = find_smallest_difference({"a": report(np.full(5, 0.5)), "b": report(np.arange(5) / 10)})
    assert size == math.inf
    assert sentence == "5 cases can show no difference, however large: it takes at least 6."


def test_spread_is_counted_within_folds() -> None:
    values = np.array([0.1, 0.3, 1.0, 1.4])
    assert measure_spread(Differences(("x", "y"), values)) == pytest.approx(values.std(ddof=1))
    assert measure_spread(Differences(("x", "y"), values, (0, 0, 1, 1))) == pytest.approx(math.sqrt((0.02 + 0.08) / 2))
    assert math.isnan(measure_spread(Differences(("x", "y"), np.array([0.1]))))


def test_several_methods_have_the_median_of_their_pairs() -> None:
    generator = np.random.default_rng(0)
    dices = {name: 0.8 + generator.normal(0, spread, 40) for name, spread in (("a", 0.01), ("b", 0.02), ("c", 0.05))}
    size, sentence = find_smallest_difference({name: report(its) for name, its in dices.items()})
    spreads = [np.std(dices[one] - dices[other], ddof=1) for one, other in ("ab", "ac", "bc")]
    sizes = [smallest_difference(spread, 40, 3) for spread in spreads]
    assert size == pytest.approx(np.median(sizes), rel=1e-6)
    assert sentence.startswith(
        f"A difference of about {size:.4f} in mean Dice would be shown by 40 cases with probability 80%"
    )
    assert f"(median over pairs; {min(sizes):.4f} to {max(sizes):.4f})" in sentence


def test_what_never_differs_has_no_size() -> None:
    size, sentence = find_smallest_difference({"a": report(np.full(8, 0.5)), "b": report(np.full(8, 0.6))})
    assert size == 0
    assert "no size can be told" in sentence
    assert find_smallest_difference({"a": report(np.full(8, 0.5))})[1] == ""


def test_a_pair_that_can_show_nothing_is_told_beside_the_others() -> None:
    """Between `x` and `y` the first half of the cases holds the label, between them and `z` all: three pairs, seven."""
    generator = np.random.default_rng(4)
    half = np.r_[np.full(6, math.nan), np.zeros(6)]
    dices = {name: 0.8 + generator.normal(0, 0.02, 12) + half for name in "xy"} | {"z": generator.normal(0.8, 0.02, 12)}
    reports = {name: report(its) for name, its in dices.items()}
    size, sentence = find_smallest_difference(reports)
    assert math.isfinite(size)
    assert f"about {size:.4f} in mean Dice would be shown by 6 to 12 cases" in sentence
    assert "1 with too few cases for any" in sentence


def test_folds_mean_models_and_the_sentence_says_so() -> None:
    reports = {name: report(np.random.default_rng(seed).normal(0.8, 0.02, 12)) for seed, name in enumerate("xy")}
    fold_of = {f"{i:03}": i % 2 for i in range(12)}
    assert "80%, for the models trained here; a smaller" in find_smallest_difference(reports, fold_of=fold_of)[1]
    assert "trained" not in find_smallest_difference(reports)[1]
