"""The best wins, unless the cases cannot tell it from a cheaper one."""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.data.labels import Labels
from autoseg.errors import UsageError
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import METRICS, CaseScores, LabelScores, Report
from autoseg.evaluation.selecting import members_of, name_candidate, select_best

LABELS = Labels(names=("background", "organ"), values=(0, 1))
SPREAD = np.random.default_rng(0).normal(0, 0.02, 20)


def report(mean: float, noise: np.ndarray = SPREAD) -> Report:
    def case(number: int, dice: float) -> CaseScores:
        return CaseScores(
            case_id=f"{number:02}", labels={"organ": LabelScores(**{**dict.fromkeys(METRICS, 0.0), "dice": dice})}
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


def test_only_candidate_is_taken() -> None:
    assert select_best({"2d": report(0.5)}).value == ("2d",)
    with pytest.raises(UsageError, match="no candidate"):
        select_best({})


def test_names_and_members_are_inverse() -> None:
    assert members_of(name_candidate(("2d", "3d_fullres"))) == ("2d", "3d_fullres")
