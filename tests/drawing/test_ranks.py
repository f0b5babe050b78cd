"""Ranks are drawn for few methods and for many."""

from __future__ import annotations

import math

import numpy as np

from autoseg.drawing.ranks import draw_critical_difference, draw_rank_shares
from tests.drawing.svg import count_marks


def test_ranks_are_drawn_for_two_methods_and_for_twelve() -> None:
    for n in (2, 12):
        names = [f"method {number}" for number in range(n)]
        diagram = draw_critical_difference(names, np.linspace(1, n, n).tolist(), [names[:2]], math.nan)
        assert count_marks(diagram) >= n
        assert draw_rank_shares(dict(zip(names, np.eye(n).tolist(), strict=True))).endswith("</svg>\n")
