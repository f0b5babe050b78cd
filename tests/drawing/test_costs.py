"""Scores are drawn against costs, with the front."""

from __future__ import annotations

import math

from autoseg.drawing.costs import Point, draw_costs, find_front_points
from tests.drawing.svg import count_marks


def test_front_is_sorted_by_cost_and_drawn_with_unknown_costs_left_out() -> None:
    points = [Point("c", 3, 0.9), Point("a", 1, 0.7), Point("b", 2, 0.6), Point("d", math.nan, 1.0)]
    assert [point.name for point in find_front_points(points[:3])] == ["a", "c"]
    drawn = draw_costs(
        {"s": points, "GB (log)": [Point("a", 1, 0.5, (0.4, 0.6)), Point("b", 900, 0.6)], "J": points[:2]}
    )
    assert count_marks(drawn) >= 3 + 2 + 2
