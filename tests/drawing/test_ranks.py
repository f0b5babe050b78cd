"""Ranks are drawn for few methods and for many."""

from __future__ import annotations

import math

import numpy as np

from autoseg.drawing.figures import make_figure
from autoseg.drawing.ranks import _draw_length, draw_critical_difference, draw_rank_shares
from tests.drawing.svg import count_marks


def test_critical_difference_that_is_longer_than_the_axis_is_cut() -> None:
    axes = make_figure(width=4, height=2).subplots()
    for length, end in ((1.5, 2.5), (9.9, 3.0)):
        axes.clear()
        _draw_length(axes, 3, length)
        assert max(float(np.max(line.get_xdata())) for line in axes.lines) == end
        assert axes.texts[0].get_text().endswith("longer than the axis") == (length > 2)


def test_ranks_are_drawn_for_two_methods_and_for_twelve() -> None:
    for n in (2, 12):
        names = [f"method {number}" for number in range(n)]
        diagram = draw_critical_difference(names, np.linspace(1, n, n).tolist(), [names[:2]], math.nan)
        assert count_marks(diagram) >= n
        assert draw_rank_shares(dict(zip(names, np.eye(n).tolist(), strict=True))).endswith("</svg>\n")
