"""Paired differences are drawn on an axis that fits them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoseg.drawing.differences import Difference, _find_limits, draw_differences
from tests.drawing.svg import count_marks


@pytest.mark.parametrize("interval", [(0.01, 0.03), (-math.inf, math.inf)], ids=["known", "a single case"])
def test_axis_of_differences_holds_intervals_and_nearly_all_cases(interval: tuple[float, float]) -> None:
    cases = np.append(np.random.default_rng(1).normal(0.02, 0.02, size=99), 0.9)
    item = Difference("b", cases, float(cases.mean()), interval, True)
    low, high = _find_limits([item])
    assert low < 0 < high
    assert np.mean((cases >= low) & (cases <= high)) > 0.9
    assert count_marks(draw_differences("a", [item])) >= 100


def test_one_method_with_cases_far_away_leaves_the_others_their_room() -> None:
    cases = np.random.default_rng(2).normal(0.0, 0.02, size=60)
    far = np.append(cases, [0.9, 0.8, -0.7])
    items = [
        Difference("near", cases, float(cases.mean()), (-0.005, 0.005), False),
        Difference("far", far, float(far.mean()), (-0.02, 0.06), False),
    ]
    low, high = _find_limits(items)
    assert -0.1 < low < np.quantile(cases, 0.03)
    assert np.quantile(cases, 0.97) < high < 0.1
