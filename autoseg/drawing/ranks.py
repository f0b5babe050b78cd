"""Which methods rank where, which ranks cannot be told apart, and how sure is each rank?

The critical-difference diagram follows Demšar (JMLR 2006), the shares of ranks under resampling Wiesenfarth et al.
(Scientific Reports 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autoseg.drawing.figures import INK, QUIET, escape, make_figure, shorten, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 0.5  # height of a line of names, in units of the picture
BAR = 0.24  # height between two bars
PALE_BLUES = ("#FFFFFF", "#D6E6F2", "#9CC4E0", "#4F97C7", "#0072B2")


def draw_critical_difference(
    methods: Sequence[str],
    mean_ranks: Sequence[float],
    groups: Sequence[Sequence[str]],
    critical_difference: float,
) -> str:
    """A critical-difference diagram as SVG; a bar joins methods whose ranks cannot be told apart.

    Args:
        methods: best mean rank first, at least two.
        mean_ranks: of each.
        groups: of methods that cannot be told apart.
        critical_difference: in ranks; one that is longer than the axis is cut and said to be.
    """
    n_left = math.ceil(len(methods) / 2)
    bars_height = 0.3 + BAR * len(groups)
    depth = bars_height + LINE * n_left + 0.1
    figure = make_figure(width=7.6, height=0.55 * (depth + 1.5))
    axes = figure.subplots()
    _draw_scale(axes, len(methods), critical_difference, depth)
    for place, (name, rank) in enumerate(zip(methods, mean_ranks, strict=True)):
        is_left = place < n_left
        line = place if is_left else len(methods) - 1 - place
        _draw_method(axes, name, rank, height=-bars_height - LINE * (line + 0.3), n=len(methods), is_left=is_left)
    rank_of = dict(zip(methods, mean_ranks, strict=True))
    for number, group in enumerate(groups):
        ends = [rank_of[name] for name in group]
        height = -0.28 - BAR * number
        axes.plot([min(ends) - 0.04, max(ends) + 0.04], [height] * 2, color=INK, linewidth=4.5, solid_capstyle="butt")
    return to_svg(figure)


def _draw_scale(axes: Axes, n: int, critical_difference: float, depth: float) -> None:
    axes.set_axis_off()
    room = 0.42 * (n - 1)  # for names, on each side
    axes.set_xlim(1 - room, n + room)
    axes.set_ylim(-depth, 1.25)
    axes.plot([1, n], [0, 0], color=INK, linewidth=1.2)
    for rank in range(1, n + 1):
        axes.plot([rank, rank], [0, 0.12], color=INK, linewidth=1.2)
        axes.text(rank, 0.2, str(rank), ha="center", va="bottom", fontsize=9, color=INK)
    if math.isfinite(critical_difference):
        _draw_length(axes, n, critical_difference)


def _draw_length(axes: Axes, n: int, critical_difference: float) -> None:
    """The critical difference as a length; an arrow where it is longer than the axis of n ranks."""
    is_cut = critical_difference > n - 1
    end = n if is_cut else 1 + critical_difference
    axes.plot([1, 1, 1, end], [0.74, 0.9, 0.82, 0.82], color=QUIET, linewidth=1.4)
    if is_cut:
        axes.plot(end, 0.82, marker=">", markersize=6, color=QUIET)
    else:
        axes.plot([end, end], [0.74, 0.9], color=QUIET, linewidth=1.4)
    told = f"critical difference {critical_difference:.2f} ranks{', longer than the axis' if is_cut else ''}"
    axes.text(1, 0.98, told, fontsize=9, color=QUIET, ha="left", va="bottom")


def _draw_method(axes: Axes, name: str, rank: float, *, height: float, n: int, is_left: bool) -> None:
    edge = 1 - 0.04 * (n - 1) if is_left else n + 0.04 * (n - 1)
    axes.plot([rank, rank, edge], [0, height, height], color=QUIET, linewidth=1.1, zorder=1)
    axes.scatter(rank, 0, s=20, color=INK, zorder=3)
    text = f"{shorten(name)}  {rank:.2f}" if is_left else f"{rank:.2f}  {shorten(name)}"
    beyond = -0.012 * (n - 1) if is_left else 0.012 * (n - 1)
    axes.text(
        edge + beyond, height, escape(text), ha="right" if is_left else "left", va="center", fontsize=9.5, color=INK
    )


def draw_rank_shares(shares: Mapping[str, Sequence[float]]) -> str:
    """How often each method came out at each rank when cases were resampled, in percent, as SVG.

    Args:
        shares: of resamples by method, rank 1 first; from the top.
    """
    from matplotlib.colors import LinearSegmentedColormap

    table = np.array(list(shares.values()), dtype=np.float64)
    figure = make_figure(width=min(7.6, 2.6 + 0.62 * table.shape[1]), height=0.75 + 0.36 * len(table))
    axes = figure.subplots()
    axes.pcolormesh(
        table, cmap=LinearSegmentedColormap.from_list("blues", PALE_BLUES), vmin=0, vmax=1, edgecolors="white", lw=2
    )
    axes.set_ylim(len(table), 0)
    axes.set_yticks(np.arange(len(table)) + 0.5, [escape(shorten(name)) for name in shares])
    axes.set_xticks(np.arange(table.shape[1]) + 0.5, [str(rank + 1) for rank in range(table.shape[1])])
    axes.tick_params(length=0, labelsize=9.5, colors=INK)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("rank (% of resamples)", color=INK)
    for (row, column), share in np.ndenumerate(table):
        if share >= 0.005:
            colour = "white" if share > 0.8 else INK
            axes.text(column + 0.5, row + 0.5, f"{100 * share:.0f}", ha="center", va="center", fontsize=9, color=colour)
    return to_svg(figure)
