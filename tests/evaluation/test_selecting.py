"""The best wins, unless the cases cannot tell it from a cheaper one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoseg.data.labels import Labels
from autoseg.errors import UsageError
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import CaseScores, LabelScores, Report
from autoseg.evaluation.selecting import members_of, name_candidate, select_best

LABELS = Labels(names=("background", "organ"), values=(0, 1))
OTHERS = ("jaccard", "precision", "recall", "reference_ml", "predicted_ml", "volume_error_ml")
SPREAD = np.random.default_rng(0).normal(0, 0.02, 20)


def report(mean: float, noise: np.ndarray = SPREAD) -> Report:
    def case(number: int, dice: float) -> CaseScores:
        return CaseScores(
            case_id=f"{number:02}", labels={"organ": LabelScores(dice=dice, **dict.fromkeys(OTHERS, 0.0))}
        )

    return make_report([case(number, mean + shift) for number, shift in enumerate(noise)], LABELS)


def test_ensemble_that_is_shown_better_wins() -> None:
    decision = select_best({"2d": report(0.7), "3d_fullres": report(0.8), "2d+3d_fullres": report(0.85, SPREAD[::-1])})
    assert decision.value == ("2d", "3d_fullres")
    assert decision.source == "empirical"
    assert "20 cases show that difference" in decision.reason


def test_among_equals_the_cheaper_wins_and_says_so() -> None:
    decision = select_best({"2d": report(0.7), "3d_fullres": report(0.8), "2d+3d_fullres": report(0.801, SPREAD[::-1])})
    assert decision.value == ("3d_fullres",)
    assert "20 cases cannot show that it is better than 3d_fullres" in decision.reason
    assert decision.inputs["mean_dice"]["2d+3d_fullres"] > decision.inputs["mean_dice"]["3d_fullres"]


def test_equal_cost_is_no_reason_to_take_the_worse() -> None:
    decision = select_best({"2d": report(0.8), "3d_fullres": report(0.801, SPREAD[::-1])})
    assert decision.value == ("3d_fullres",)
    assert "cannot show that difference" in decision.reason


def test_of_several_cheaper_equals_the_better_one_is_taken() -> None:
    rows = {"2d": report(0.8), "3d_fullres": report(0.8005), "2d+3d_fullres": report(0.801, SPREAD[::-1])}
    assert select_best(rows).value == ("3d_fullres",)


FLOPS = {"2d": 2e9, "3d_fullres": 50e9, "2d+3d_fullres": 52e9}


def test_of_as_many_configurations_the_one_that_computes_less_is_taken() -> None:
    rows = {"2d": report(0.8), "3d_fullres": report(0.801, SPREAD[::-1])}
    decision = select_best(rows, flops=FLOPS)
    assert decision.value == ("2d",)
    assert "20 cases cannot show that it is better than 2d with" in decision.reason
    assert decision.reason.endswith("which is the cheaper: 2 instead of 50 billion operations per image")
    assert decision.inputs["gflops_per_image"] == {"2d": 2.0, "3d_fullres": 50.0}


def test_an_ensemble_may_yield_to_one_configuration_and_that_to_a_cheaper_one() -> None:
    rows = {"2d": report(0.8), "3d_fullres": report(0.8005), "2d+3d_fullres": report(0.801, SPREAD[::-1])}
    rows["2d"] = report(0.8002, np.roll(SPREAD, 7))
    decision = select_best(rows, flops=FLOPS)
    assert decision.value == ("2d",)
    assert "1 configuration instead of 2; and 20 cases cannot show that 3d_fullres is better than 2d" in decision.reason


def test_what_is_shown_to_be_better_may_cost_more() -> None:
    assert select_best({"2d": report(0.7), "3d_fullres": report(0.8, SPREAD[::-1])}, flops=FLOPS).value == (
        "3d_fullres",
    )


def test_what_computes_hardly_less_is_as_expensive() -> None:
    rows = {"2d": report(0.8), "3d_fullres": report(0.801, SPREAD[::-1])}
    assert select_best(rows, flops={"2d": 46e9, "3d_fullres": 50e9}).value == ("3d_fullres",)
    assert select_best(rows, flops={"2d": 44e9, "3d_fullres": 50e9}).value == ("2d",)


def test_too_few_cases_are_no_reason_to_save_computation() -> None:
    few = SPREAD[:5]
    rows = {"2d": report(0.7, few), "3d_fullres": report(0.8, few[::-1])}
    assert select_best(rows, flops=FLOPS).value == ("3d_fullres",)
    assert "5 cases cannot show that difference" in select_best(rows, flops=FLOPS).reason


def test_candidates_are_corrected_for_their_number() -> None:
    """Six wins are shown where they are the only comparison: 2 / 2**6 is below 5%, twice that is not."""
    rows = {"2d": report(0.7, SPREAD[:6]), "2d+3d_fullres": report(0.8, SPREAD[:6] * 1.1)}
    assert select_best(rows).value == ("2d", "3d_fullres")
    assert select_best({**rows, "3d_fullres": report(0.71, SPREAD[:6])}).value == ("3d_fullres",)


def test_only_candidate_is_taken() -> None:
    assert select_best({"2d": report(0.5)}).value == ("2d",)
    with pytest.raises(UsageError, match="no candidate"):
        select_best({})


def report_with_rare(organ: float, rare: float, noise: float = 0.0) -> Report:
    """Thirty cases, of which two hold a second label."""

    def scores(dice: float) -> LabelScores:
        return LabelScores(dice=dice, **dict.fromkeys(OTHERS, 0.0))

    labels = LABELS.model_copy(update={"names": ("background", "organ", "rare"), "values": (0, 1, 2)})
    rows = [
        (organ + 0.001 * (number % 5) + noise * (-1) ** number, rare if number < 2 else math.nan)
        for number in range(30)
    ]
    cases = [
        CaseScores(case_id=f"{number:02}", labels={"organ": scores(one), "rare": scores(other)})
        for number, (one, other) in enumerate(rows)
    ]
    return make_report(cases, labels)


def test_what_is_shown_better_case_by_case_is_not_thrown_away_for_a_rare_label() -> None:
    """Two cases with the rare label make the mean over labels; twenty-eight others say the opposite."""
    rows = {"2d": report_with_rare(0.80, 0.95), "3d_fullres": report_with_rare(0.85, 0.70)}
    assert rows["2d"].mean_dice > rows["3d_fullres"].mean_dice
    decision = select_best(rows, flops=FLOPS)
    assert decision.value == ("3d_fullres",)
    assert decision.reason.startswith("2d has the highest mean foreground Dice, 0.8760, where a rare label")
    assert "30 cases show that 3d_fullres with 0.7760 is better case by case" in decision.reason
    assert "2d minus 3d_fullres is -0.0" in decision.reason


def test_a_better_one_case_by_case_may_still_yield_to_a_cheaper_equal() -> None:
    rows = {"2d": report_with_rare(0.80, 0.95), "2d+3d_fullres": report_with_rare(0.85, 0.70)}
    rows["3d_fullres"] = report_with_rare(0.85, 0.6999)
    decision = select_best(rows)
    assert decision.value == ("3d_fullres",)
    assert "is better case by case" in decision.reason
    assert "; yet 30 cases cannot show that it is better than 3d_fullres" in decision.reason


def test_the_better_one_leads_though_a_third_has_the_higher_mean_over_labels() -> None:
    """The third is not shown to be worse than the better one, and no cheaper."""
    rows = {"2d": report_with_rare(0.80, 0.95), "3d_fullres": report_with_rare(0.85, 0.70)}
    rows["3d_lowres"] = report_with_rare(0.848, 0.71, noise=0.01)
    assert rows["2d"].mean_dice > rows["3d_lowres"].mean_dice > rows["3d_fullres"].mean_dice
    for flops in (None, dict.fromkeys(rows, 50e9)):
        decision = select_best(rows, flops=flops)
        assert decision.value == ("3d_fullres",)
        assert decision.reason.count("configuration") == 0


def test_names_and_members_are_inverse() -> None:
    assert members_of(name_candidate(("2d", "3d_fullres"))) == ("2d", "3d_fullres")
