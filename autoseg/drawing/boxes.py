"""How does a score spread over the cases, method by method?

A box spans the middle half of the cases with the median inside; whiskers reach the last case within one and a half
boxes (Tukey 1977). Every case is a point, the mean a diamond.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autoseg.drawing.figures import COLOURS, INK, QUIET, make_figure, name_rows, shorten, tidy_axes, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = np.ndarray
Interval = tuple[float, float]

ROW_INCHES = 0.44
MAX_DRAWN_POINTS = 2_000  # more than that are kept as a picture within the drawing
SPREAD = 0.26  # of a row's height: how far points are shaken apart
ROOM_SHARE = 0.2  # of a close-up: for the number of cases beyond its edge, beside the boxes
FAR_SHARE = 0.55  # of the whole range: a close-up shows a range that is no wider


def draw_boxes(scores: Mapping[str, Sequence[float]], *, quiet: Collection[str] = (), axis_name: str = "Dice") -> str:
    """Box plots as SVG, one row per method from the top, with every case as a point.

    Where some methods lie far from the others, a close-up of the others stands beside the whole.

    Args:
        scores: of each case, by method; NaN where not counted.
        quiet: methods drawn in grey, which the close-up may leave out.
        axis_name: what is measured.
    """
    figure = make_figure(width=7.6, height=0.75 + ROW_INCHES * len(scores))
    values = _keep_defined(scores)
    whole, near = find_range(values), _find_near_range(values, quiet)
    if near is None:
        _draw_panel(figure.subplots(), values, quiet, whole, axis_name)
    else:
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.7])
        _draw_panel(left, values, quiet, whole, axis_name)
        _draw_panel(right, values, quiet, near, f"{axis_name}, close-up")
        right.set_yticklabels([])
    return to_svg(figure)


def draw_boxes_on(axes: Axes, scores: Mapping[str, Sequence[float]], *, quiet: Collection[str] = ()) -> None:
    """The same on axes of another figure, close up where some methods lie far away."""
    values = _keep_defined(scores)
    _draw_panel(axes, values, quiet, _find_near_range(values, quiet) or find_range(values), "Dice of a case")


def _keep_defined(scores: Mapping[str, Sequence[float]]) -> dict[str, FloatArray]:
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    return {name: values[~np.isnan(values)] for name, values in arrays.items()}


def find_range(values: Mapping[str, FloatArray]) -> Interval:
    """From just below the lowest value to just above the highest."""
    everything = np.concatenate([np.zeros(0), *values.values()])
    if not everything.size:
        return 0.0, 1.0
    low, high = float(everything.min()), float(everything.max())
    margin = max(0.04 * (high - low), 1e-3)
    return low - margin, high + margin


def _find_near_range(values: Mapping[str, FloatArray], quiet: Collection[str]) -> Interval | None:
    """The range of the whiskers of the methods that are not quiet; None where that is little less than the whole."""
    near = {name: cut_tails(cases) for name, cases in values.items() if name not in quiet and cases.size}
    if not near:
        return None
    low, high = find_range(near)
    whole_low, whole_high = find_range(values)
    if high - low >= FAR_SHARE * (whole_high - whole_low):
        return None
    is_cut = any(cases.size and cases.min() < low for cases in values.values())
    is_cut_above = any(cases.size and cases.max() > high for cases in values.values())
    room = ROOM_SHARE * (high - low)
    return low - room * is_cut, high + room * is_cut_above


def cut_tails(cases: FloatArray) -> FloatArray:
    """The cases within the whiskers, of one case at least."""
    low, high = np.quantile(cases, [0.25, 0.75])
    reach = 1.5 * (high - low)
    kept: FloatArray = cases[(cases >= low - reach) & (cases <= high + reach)]
    return kept


def _draw_panel(
    axes: Axes, values: Mapping[str, FloatArray], quiet: Collection[str], limits: Interval, axis_name: str
) -> None:
    tidy_axes(axes, grid="x")
    name_rows(axes, [shorten(name) for name in values])
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlim(limits)
    axes.set_xlabel(axis_name, color=INK)
    many = sum(cases.size for cases in values.values()) > MAX_DRAWN_POINTS
    for row, (name, cases) in enumerate(values.items()):
        colour = QUIET if name in quiet else COLOURS[0]
        if cases.size:
            _draw_row(axes, row, cases, colour, rasterized=many)
            _tell_hidden(axes, row, cases, limits)


def _draw_row(axes: Axes, row: int, cases: FloatArray, colour: str, *, rasterized: bool) -> None:
    heights = row + shake(cases.size, SPREAD)
    axes.scatter(cases, heights, s=9, color=colour, alpha=0.45, linewidth=0, rasterized=rasterized, zorder=2)
    line = {"color": INK, "linewidth": 1.1}
    axes.boxplot(
        cases,
        positions=[row],
        orientation="horizontal",
        widths=0.62,
        showfliers=False,
        manage_ticks=False,
        boxprops=line,
        whiskerprops=line,
        capprops={"linewidth": 0},
        medianprops={"color": INK, "linewidth": 2.2},
        zorder=3,
    )
    axes.scatter(cases.mean(), row, marker="D", s=26, color="white", edgecolor=INK, linewidth=1.1, zorder=4)


def _tell_hidden(axes: Axes, row: int, cases: FloatArray, limits: Interval) -> None:
    """How many cases lie beyond either end of a close-up."""
    n_below, n_above = count_hidden(cases, limits)
    words = ((n_below, f"◂ {n_below} below", 0.0, "left"), (n_above, f"{n_above} above ▸", 1.0, "right"))
    for number, told, edge, side in words:
        if number:
            axes.annotate(
                told,
                xy=(edge, row),
                xycoords=("axes fraction", "data"),
                xytext=(2 - 4 * edge, 0),
                textcoords="offset points",
                fontsize=8,
                color=INK,
                ha=side,
                va="center",
                zorder=5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
            )


def count_hidden(cases: FloatArray, limits: Interval) -> tuple[int, int]:
    """How many cases lie below and above what is shown."""
    return int(np.sum(cases < limits[0])), int(np.sum(cases > limits[1]))


def shake(n: int, spread: float) -> FloatArray:
    """Offsets in -spread..spread that keep points apart, always the same (golden ratio sequence)."""
    offsets: FloatArray = spread * (2 * ((np.arange(n) * 0.6180339887) % 1) - 1)
    return offsets
