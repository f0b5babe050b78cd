"""What does a score cost: Dice against one cost after another, with the Pareto front marked?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoseg.drawing.figures import COLOURS, INK, QUIET, make_figure, settle, tidy_axes, to_svg
from autoseg.drawing.naming_points import Box, name_places
from autoseg.evaluation.fronts import find_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_COLUMNS = 2
N_TICKS = 5  # of a cost: more numbers would meet
WIDE = 12.0  # times the cheapest: the axis is logarithmic from there on


@dataclass(frozen=True)
class Point:
    """A method: its name, its cost, and its Dice with the ends of its 95% interval (NaN where not known)."""

    name: str
    cost: float
    dice: float
    interval: tuple[float, float] = (math.nan, math.nan)


def draw_costs(panels: Mapping[str, Sequence[Point]]) -> str:
    """Dice against costs as SVG, a panel each; filled points are on the front, which a line joins.

    Args:
        panels: points by the name of the cost with its unit; points without cost or Dice are not drawn.
    """
    n_columns = min(N_COLUMNS, len(panels))
    n_rows = math.ceil(len(panels) / n_columns)
    figure = make_figure(width=7.6 if n_columns > 1 else 5.2, height=3.1 * n_rows)
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for number, (axes, (title, points)) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        draw_costs_on(axes, points, title)
        if number % n_columns:
            axes.set_ylabel("")
    settle(figure)
    for axes, points in zip(grid.flat, panels.values(), strict=False):
        name_points(axes, points)
    return to_svg(figure)


def draw_costs_on(axes: Axes, points: Sequence[Point], title: str) -> None:
    """The same on axes of another figure, without names; `name_points` writes them when all is in its place."""
    tidy_axes(axes, grid="both")
    known = [point for point in points if not math.isnan(point.cost) and not math.isnan(point.dice)]
    front = find_front_points(known)
    if len(front) > 1:
        axes.step(*_list_steps(front), where="post", color=COLOURS[1], linewidth=1.4, zorder=2)
    for point in known:
        _draw_point(axes, point, point in front)
    _choose_scale(axes, [point.cost for point in known])
    axes.set_xlabel(title, color=INK)
    axes.set_ylabel("mean Dice", color=INK)


def find_front_points(points: Sequence[Point]) -> list[Point]:
    """Those on the Pareto front, the cheapest first."""
    is_front = find_front([point.cost for point in points], [point.dice for point in points])
    front = [point for point, is_on in zip(points, is_front, strict=True) if is_on]
    return sorted(front, key=lambda point: (point.cost, point.dice))


def _list_steps(front: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [point.cost for point in front], [point.dice for point in front]


def _draw_point(axes: Axes, point: Point, is_on: bool) -> None:
    if not any(map(math.isnan, point.interval)):
        axes.plot([point.cost] * 2, point.interval, color="#B5B5B5", linewidth=1.0, zorder=1)
    colour = COLOURS[1] if is_on else QUIET
    axes.scatter(point.cost, point.dice, s=44, color=colour if is_on else "white", edgecolor=colour, lw=1.6, zorder=3)


def _choose_scale(axes: Axes, costs: Sequence[float]) -> None:
    """Logarithmic where costs span more than an order of magnitude; room for names at both sides."""
    from matplotlib.ticker import LogLocator

    if not costs:
        return
    low, high = min(costs), max(costs)
    if low > 0 and high / low > WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        room = (high / low) ** 0.22
        axes.set_xlim(low / room, high * room)
    else:
        room = 0.25 * (high - low) or 0.5 * abs(high) or 1.0
        axes.set_xlim(max(0.0, low - room) if low >= 0 else low - room, high + room)
        axes.locator_params(axis="x", nbins=N_TICKS)
    axes.margins(y=0.12)


def name_points(axes: Axes, points: Sequence[Point]) -> None:
    """Write the names beside their points, where they cover least; call it after the figure's layout."""
    known = [point for point in points if not math.isnan(point.cost) and not math.isnan(point.dice)]
    places = [axes.transData.transform((point.cost, point.dice)) for point in known]
    lines = [_box(axes, (point.cost, low), (point.cost, high)) for point in known for low, high in [point.interval]]
    front = find_front_points(known)
    for one, other in itertools.pairwise(front):
        lines.append(_box(axes, (one.cost, one.dice), (other.cost, one.dice)))
        lines.append(_box(axes, (other.cost, one.dice), (other.cost, other.dice)))
    name_places(
        axes,
        [point.name for point in known],
        [(float(x), float(y)) for x, y in places],
        obstacles=[line for line in lines if not any(map(math.isnan, line))],
        colours=[INK if point in front else "#666666" for point in known],
    )


def _box(axes: Axes, one: tuple[float, float], other: tuple[float, float]) -> Box:
    """Around a line, in pixels: left, bottom, right, top."""
    (x, y), (x_other, y_other) = axes.transData.transform([one, other])
    return min(x, x_other) - 1, min(y, y_other) - 1, max(x, x_other) + 1, max(y, y_other) + 1
