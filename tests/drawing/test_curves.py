"""Curves are averaged as long as all runs last."""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.drawing.curves import average_runs, choose_time_unit, draw_curves


def test_mean_curve_lasts_as_long_as_all_runs() -> None:
    runs = [(np.array([0.0, 10.0]), np.array([0.0, 1.0])), (np.array([2.0, 6.0]), np.array([0.5, 0.5]))]
    times, mean = average_runs(runs)
    assert (times[0], times[-1]) == (2.0, 6.0)
    assert (mean[0], mean[-1]) == (pytest.approx(0.35), pytest.approx(0.55))
    assert [choose_time_unit(seconds)[0] for seconds in (60, 600, 36000)] == ["s", "min", "h"]


def test_curves_bear_one_point_none_and_many_methods() -> None:
    runs = {f"m{number}": [([1.0], [0.1 * number]), ([], [])] for number in range(10)}
    assert draw_curves(runs).endswith("</svg>\n")
