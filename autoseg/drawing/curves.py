"""How fast does each method learn: Dice against training time?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autoseg.drawing.figures import COLOURS, INK, escape, make_figure, move_apart, shorten, tidy_axes, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = np.ndarray
Run = tuple[Sequence[float], Sequence[float]]  # seconds of training, Dice at them

STYLES = (
    "-",
    "--",
    ":",
    "-.",
    (0, (5, 1, 1, 1, 1, 1)),
)  # by method, beyond the eight colours too, and for who cannot see colours
N_TIMES = 200  # at which the mean over runs is drawn


def draw_curves(runs: Mapping[str, Sequence[Run]]) -> str:
    """Dice against training time as SVG: runs as thin lines, the mean of a method as a thick one, named at its end.

    Args:
        runs: of each method: seconds and Dice of each run; a run without points is not drawn.
    """
    figure = make_figure(width=7.6, height=4.2)
    draw_curves_on(figure.subplots(), runs)
    return to_svg(figure)


def draw_curves_on(axes: Axes, runs: Mapping[str, Sequence[Run]]) -> None:
    """The same on axes of another figure."""
    tidy_axes(axes)
    longest = max((times[-1] for of_method in runs.values() for times, _ in of_method if len(times)), default=1.0)
    unit, seconds = choose_time_unit(longest)
    ends: dict[str, float] = {}
    for number, (name, of_method) in enumerate(runs.items()):
        colour, style = COLOURS[number % len(COLOURS)], STYLES[number % len(STYLES)]
        kept = [(np.asarray(times) / seconds, np.asarray(dices)) for times, dices in of_method if len(times)]
        for times, dices in kept:
            axes.plot(times, dices, color=colour, linewidth=0.6, alpha=0.35)
        if kept:
            times, mean = average_runs(kept)
            axes.plot(times, mean, color=colour, linestyle=style, linewidth=2.0)
            ends[name] = float(mean[-1])
    axes.set_xlim(0, longest / seconds)
    axes.set_xlabel(f"training time ({unit})", color=INK)
    axes.set_ylabel("Dice (validation patches)", color=INK)
    _name_ends(axes, ends, list(runs))


def choose_time_unit(longest_s: float) -> tuple[str, float]:
    """Name and seconds of the unit in which a time is easy to read."""
    if longest_s < 180:
        return "s", 1.0
    return ("min", 60.0) if longest_s < 3 * 3600 else ("h", 3600.0)


def average_runs(runs: Sequence[tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    """Times, and the mean over runs at them, as long as all runs last; linear between points."""
    start = max(float(times[0]) for times, _ in runs)
    end = max(start, min(float(times[-1]) for times, _ in runs))
    grid = np.linspace(start, end, N_TIMES)
    mean: FloatArray = np.mean([np.interp(grid, times, dices) for times, dices in runs], axis=0)
    return grid, mean


def _name_ends(axes: Axes, ends: Mapping[str, float], names: Sequence[str]) -> None:
    """Names at the right end, from the best down, joined to their lines where they had to move."""
    low, high = axes.get_ylim()
    least = 0.062 * (high - low)
    heights = move_apart(list(ends.values()), least=least, highest=high - 0.02 * (high - low))
    for (name, value), height in zip(ends.items(), heights, strict=True):
        number = names.index(name)
        axes.annotate(
            escape(f"{shorten(name)}  {value:.3f}"),
            xy=(1.0, value),
            xycoords=("axes fraction", "data"),
            xytext=(1.05, height),
            textcoords=("axes fraction", "data"),
            color=COLOURS[number % len(COLOURS)],
            fontsize=9,
            fontweight="bold",
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": COLOURS[number % len(COLOURS)],
                "linewidth": 0.8,
                "shrinkA": 1,
                "shrinkB": 1,
                "relpos": (0, 0.5),
            },
        )
