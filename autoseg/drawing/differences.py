"""By how much does one method differ from each of the others, case by case?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoseg.drawing.boxes import MAX_DRAWN_POINTS, SPREAD, cut_tails, shake
from autoseg.drawing.figures import COLOURS, INK, QUIET, escape, make_figure, name_rows, shorten, tidy_axes, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = np.ndarray

ROW_INCHES = 0.44


@dataclass(frozen=True)
class Difference:
    """One method minus another.

    Attributes:
        name: of the other.
        cases: difference of each case.
        mean: of them.
        interval: 95% interval of the mean.
        is_shown: whether the cases show a difference.
    """

    name: str
    cases: FloatArray
    mean: float
    interval: tuple[float, float]
    is_shown: bool


def draw_differences(first: str, differences: Sequence[Difference]) -> str:
    """Paired differences of a method from the others as SVG: cases as points, their mean with its 95% interval.

    Args:
        first: the method from which the others are subtracted.
        differences: at least one.
    """
    figure = make_figure(width=7.6, height=0.85 + ROW_INCHES * len(differences))
    axes = figure.subplots()
    tidy_axes(axes, grid="x")
    name_rows(axes, [f"minus {shorten(item.name)}" for item in differences])
    limits = _find_limits(differences)
    axes.set_xlim(limits)
    axes.axvline(0, color=INK, linewidth=1.0, zorder=1)
    many = sum(item.cases.size for item in differences) > MAX_DRAWN_POINTS
    for row, item in enumerate(differences):
        _draw_row(axes, row, item, limits, rasterized=many)
    axes.set_xlabel(escape(f"difference in Dice; right of 0 {shorten(first)} is better"), color=INK)
    return to_svg(figure)


def _find_limits(differences: Sequence[Difference]) -> tuple[float, float]:
    """From the lowest to the highest of 0, intervals and cases within whiskers; cases beyond are drawn at the edge."""
    ends = np.array([end for item in differences for end in item.interval if np.isfinite(end)] + [0.0])
    near = np.concatenate([ends, *(cut_tails(item.cases) for item in differences if item.cases.size)])
    low, high = float(near.min()), float(near.max())
    margin = max(0.06 * (high - low), 1e-3)
    return low - margin, high + margin


def _draw_row(axes: Axes, row: int, item: Difference, limits: tuple[float, float], *, rasterized: bool) -> None:
    low, high = limits
    inside = (item.cases >= low) & (item.cases <= high)
    heights = row + shake(item.cases.size, SPREAD)
    axes.scatter(
        item.cases[inside], heights[inside], s=9, color=QUIET, alpha=0.5, linewidth=0, rasterized=rasterized, zorder=2
    )
    for marker, beyond, edge in (("<", item.cases < low, low), (">", item.cases > high, high)):
        at_edge = np.full(int(beyond.sum()), edge + 0.008 * (low + high - 2 * edge))
        axes.scatter(at_edge, heights[beyond], s=12, marker=marker, color=QUIET, zorder=2)
    colour = COLOURS[1] if item.is_shown else COLOURS[0]
    axes.plot(
        np.clip(item.interval, low, high), [row, row], color=colour, linewidth=2.6, solid_capstyle="butt", zorder=3
    )
    filling = colour if item.is_shown else "white"
    axes.scatter(item.mean, row, s=46, color=filling, edgecolor=colour, linewidth=1.8, zorder=4)
