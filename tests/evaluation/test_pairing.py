"""Differences of the same cases, and of what both can be compared by."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from autoseg.data.labels import Labels
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.pairing import pair_all, pair_differences
from autoseg.evaluation.report import CaseScores, LabelScores, Report

LABELS = Labels(names=("background", "a", "b"), values=(0, 1, 2))
OTHERS = ("jaccard", "precision", "recall", "reference_ml", "predicted_ml", "volume_error_ml")


def report(a: Sequence[float], b: Sequence[float]) -> Report:
    def label(dice: float) -> LabelScores:
        return LabelScores(dice=dice, **dict.fromkeys(OTHERS, 0.0))

    cases = [
        CaseScores(case_id=f"case_{i:03}", labels={"a": label(dices[0]), "b": label(dices[1])})
        for i, dices in enumerate(zip(a, b, strict=True))
    ]
    return make_report(cases, LABELS)


ONE = report([0.8, 0.9, math.nan, 0.6], [math.nan, math.nan, math.nan, 0.4])
OTHER = report([0.7, 0.7, math.nan, 0.5], [0.0, math.nan, math.nan, 0.5])


def test_pairs_are_cases_with_something_to_compare() -> None:
    """Case 0: b rightly empty against wrongly found; 1: b undefined in both; 2: nothing defined; 3: it cancels."""
    assert pair_differences(ONE, OTHER) == pytest.approx([(0.1 + 1.0) / 2, 0.2, 0.0])
    assert pair_differences(ONE, OTHER)[2] == 0, "not by floating-point noise the one or the other"


def test_cases_that_do_not_count_take_their_fold_with_them() -> None:
    fold_of = {"case_000": 4, "case_001": 7, "case_002": 5, "case_003": 4}
    (its,) = pair_all({"x": ONE, "y": OTHER}, [("x", "y")], fold_of=fold_of)
    assert its.folds == (4, 7, 4)
    assert its.by_fold == pytest.approx({"4": 0.275, "7": 0.2})
    assert pair_all({"x": ONE, "y": OTHER}, [("x", "y")])[0].by_fold == {}
