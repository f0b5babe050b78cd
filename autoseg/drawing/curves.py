"""How fast does each method learn: Dice against training time?"""

from __future__ import annotations

import math
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
NAME_INCHES = 0.2  # height of a name at the end of its curve
MARGIN_INCHES = 0.8  # above and below the axes, about


def draw_curves(runs: Mapping[str, Sequence[Run]]) -> str:
    """Dice against training time as SVG: runs as thin lines, the mean of a method as a thick one, named at its end.

    Args:
        runs: of each method: seconds and Dice of each run; points without Dice, and runs without points, are left out.
    """
    figure = make_figure(width=7.6, height=max(4.2, MARGIN_INCHES + NAME_INCHES * len(runs)))
    draw_curves_on(figure.subplots(), runs)
    return to_svg(figure)


def draw_curves_on(axes: Axes, runs: Mapping[str, Sequence[Run]]) -> None:
    """The same on axes of another figure."""
    tidy_axes(axes)
    kept = {name: known for name, of_method in runs.items() if (known := keep_known(of_method))}
    longest = max((float(times[-1]) for of_method in kept.values() for times, _ in of_method), default=1.0)
    unit, seconds = choose_time_unit(longest)
    for number, of_method in enumerate(kept.values()):
        colour, style = COLOURS[number % len(COLOURS)], STYLES[number % len(STYLES)]
        for times, dices in of_method:
            axes.plot(np.asarray(times) / seconds, dices, color=colour, linewidth=0.6, alpha=0.35)
        grid, mean = average_runs(of_method)
        axes.plot(grid / seconds, mean, color=colour, linestyle=style, linewidth=2.0)
    axes.set_xlim(0, longest / seconds)
    axes.set_xlabel(f"training time ({unit})", color=INK)
    axes.set_ylabel("Dice (validation patches)", color=INK)
    _name_ends(axes, {name: find_end(of_method) for name, of_method in kept.items()})


def keep_known(runs: Sequence[Run]) -> list[Run]:
    """The runs with the points whose Dice is known; those without such a point are left out."""
    kept = [[(time, dice) for time, dice in zip(*run, strict=True) if not math.isnan(dice)] for run in runs]
    return [([time for time, _ in points], [dice for _, dice in points]) for points in kept if points]


def find_end(runs: Sequence[Run]) -> float:
    """Dice at the end of the mean over runs, of which there is one at least."""
    return float(average_runs(runs)[1][-1])


def choose_time_unit(longest_s: float) -> tuple[str, float]:
    """Name and seconds of the unit in which a time is easy to read."""
    if longest_s < 180:
        return "s", 1.0
    return ("min", 60.0) if longest_s < 3 * 3600 else ("h", 3600.0)


def average_runs(runs: Sequence[Run]) -> tuple[FloatArray, FloatArray]:
    """Times, and the mean over runs at them, as long as all runs last; linear between points."""
    start = max(float(times[0]) for times, _ in runs)
    end = max(start, min(float(times[-1]) for times, _ in runs))
    grid = np.linspace(start, end, N_TIMES)
    mean: FloatArray = np.mean([np.interp(grid, times, dices) for times, dices in runs], axis=0)
    return grid, mean


def _name_ends(axes: Axes, ends: Mapping[str, float]) -> None:
    """Names at the right end, from the best down, joined to their lines where they had to move."""
    low, high = axes.get_ylim()
    height_inches = float(axes.figure.get_window_extent().height) / axes.figure.dpi
    least = NAME_INCHES / (height_inches - MARGIN_INCHES) * (high - low)
    heights = move_apart(list(ends.values()), least=least, limits=(low, high - 0.02 * (high - low)))
    for number, ((name, value), height) in enumerate(zip(ends.items(), heights, strict=True)):
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
