"""Curves are averaged as long as all runs last."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoseg.drawing.curves import average_runs, choose_time_unit, draw_curves, draw_curves_on, find_end, keep_known
from autoseg.drawing.figures import make_figure


def test_mean_curve_lasts_as_long_as_all_runs() -> None:
    runs = [(np.array([0.0, 10.0]), np.array([0.0, 1.0])), (np.array([2.0, 6.0]), np.array([0.5, 0.5]))]
    times, mean = average_runs(runs)
    assert (times[0], times[-1]) == (2.0, 6.0)
    assert (mean[0], mean[-1]) == (pytest.approx(0.35), pytest.approx(0.55))
    assert [choose_time_unit(seconds)[0] for seconds in (60, 600, 36000)] == ["s", "min", "h"]


def test_curves_bear_one_point_none_and_many_methods() -> None:
    runs = {f"m{number}": [([1.0], [0.1 * number]), ([], [])] for number in range(10)}
    assert draw_curves(runs).endswith("</svg>\n")


def test_points_without_dice_are_left_out_at_the_end_and_between() -> None:
    nan = math.nan
    runs = [([1.0, 2.0, 3.0, 4.0], [0.1, nan, 0.5, nan]), ([1.0, 3.0], [nan, nan])]
    assert keep_known(runs) == [([1.0, 3.0], [0.1, 0.5])]
    assert find_end(keep_known(runs)) == 0.5
    assert draw_curves({"a": runs, "b": runs[1:]}).endswith("</svg>\n")


def test_names_of_many_methods_stay_beside_the_axes_and_tell_the_end_of_the_mean() -> None:
    runs = {f"m{number}": [([0.0, 9.0], [0.0, 0.3]), ([0.0, 8.0], [0.0, 0.5])] for number in range(24)}
    axes = make_figure(width=7.6, height=4).subplots()
    draw_curves_on(axes, runs)
    low, high = axes.get_ylim()
    assert all(low <= text.xyann[1] <= high for text in axes.texts)
    assert {text.get_text().split()[-1] for text in axes.texts} == {f"{find_end(runs['m0']):.3f}"}
