"""One glance at a comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from autoseg.drawing.costs import Point
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
