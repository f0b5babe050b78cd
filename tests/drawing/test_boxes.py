"""How scores spread is drawn case by case."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoseg.drawing.boxes import _find_near_range, count_hidden, draw_boxes, draw_boxes_on, find_range, shake
from autoseg.drawing.figures import make_figure
from tests.drawing.svg import count_marks

CASES = np.random.default_rng(0).normal(0.8, 0.05, size=30)
SCORES = {"a $x$ & <b>": CASES, "b": CASES - 0.05, "floor": CASES - 0.6}


def test_every_case_is_a_point_and_equal_is_equal() -> None:
    few = {name: values[:10] for name, values in SCORES.items()}
    drawn = draw_boxes(SCORES, quiet=["floor"])
    assert count_marks(drawn) - count_marks(draw_boxes(few, quiet=["floor"])) >= 3 * 20
    assert draw_boxes(SCORES, quiet=["floor"]) == drawn
    assert drawn.startswith("<svg")


def test_boxes_bear_undefined_scores_and_no_cases_at_all() -> None:
    assert count_marks(draw_boxes({"a": [math.nan, 0.5], "b": [math.nan], "c": []}))
    assert draw_boxes({"a": []}).endswith("</svg>\n")


def test_close_up_is_taken_of_what_is_near_only_where_something_is_far() -> None:
    near = _find_near_range(SCORES, ["floor"])
    assert near is not None
    assert near[0] > 0.5
    assert _find_near_range({"a": CASES, "b": CASES - 0.05}, []) is None
    assert find_range({"a": np.array([0.5])}) == pytest.approx((0.499, 0.501))


def test_close_up_counts_the_cases_beyond_both_of_its_edges() -> None:
    values = {"a": np.array([0.80] * 10 + [0.81] * 10 + [0.95] * 3 + [0.60]), "floor": np.full(20, 0.1)}
    near = _find_near_range(values, ["floor"])
    assert near is not None
    assert count_hidden(values["a"], near) == (1, 3)
    assert count_hidden(values["floor"], near) == (20, 0)
    axes = make_figure(width=4, height=2).subplots()
    draw_boxes_on(axes, values, quiet=["floor"])
    assert [text.get_text() for text in axes.texts] == ["◂ 1 below", "3 above ▸", "◂ 20 below"]


def test_points_are_shaken_alike_and_apart() -> None:
    offsets = shake(20, 0.3)
    assert np.abs(offsets).max() <= 0.3
    assert np.diff(np.sort(offsets)).min() > 0.005
