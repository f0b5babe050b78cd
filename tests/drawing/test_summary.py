"""One glance at a comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from autoseg.drawing.boxes import draw_boxes
from autoseg.drawing.costs import Point, draw_costs
from autoseg.drawing.differences import Difference, draw_differences
from autoseg.drawing.ranks import draw_critical_difference, draw_rank_shares
from autoseg.drawing.summary import draw_summary

CASES = np.random.default_rng(0).normal(0.8, 0.05, size=30)
SCORES = {"a $x$ & <b>": CASES, "b": CASES - 0.05, "floor": CASES - 0.6}


def test_summary_shows_costs_where_nothing_was_trained(tmp_path: Path) -> None:
    draw_summary(SCORES, tmp_path / "alone.png", title="t")
    points = [Point("a", 1, 0.8), Point("b", 2, 0.9)]
    draw_summary(SCORES, tmp_path / "costs.png", costs={"s": points})
    for name in ("alone", "costs"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.width == 1410


def test_dollars_in_names_begin_no_formula(tmp_path: Path) -> None:
    name = r"$\frac$"  # no formula that could be read
    draw_summary({name: CASES}, tmp_path / "s.png", title=name, runs={name: [([0.0, 1.0], [0.1, 0.2])]})
    assert draw_boxes({name: CASES}).endswith("</svg>\n")
    assert draw_costs({"s": [Point(name, 1, 0.8), Point("b", 2, 0.9)]}).endswith("</svg>\n")
    assert draw_differences(name, [Difference(name, CASES, 0.8, (0.7, 0.9), True)]).endswith("</svg>\n")
    assert draw_critical_difference([name, "b"], [1.0, 2.0], [[name, "b"]], 1.5).endswith("</svg>\n")
    assert draw_rank_shares({name: [1.0]}).endswith("</svg>\n")
