"""How did training go: Dice per label, loss and learning rate over time?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoseg.drawing.figures import COLOURS, INK, QUIET, make_figure, save_figure, set_title
from autoseg.serialization import Record, to_plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = np.ndarray

MAX_NAMED_LABELS = 8  # more lines than that are drawn in grey, with their mean on top


def draw_progress(history: Sequence[Record | Mapping[str, Any]], path: Path, *, title: str = "") -> None:
    """Draw training over time as a PNG: validation Dice per label, training loss, learning rate.

    Args:
        history: epochs as `history.jsonl` holds them, at least one: `spent_s`, `epoch`, `iteration`, `loss`,
            `learning_rate`, `validation_dice` (by label name, None where undefined).
        path: the file to write.
        title: what was trained.
    """
    epochs = [to_plain(epoch) for epoch in history]
    figure = make_figure(width=8.0, height=7.2)
    dice, loss, rate = figure.subplots(3, 1, sharex=True, height_ratios=[3.2, 2, 1])
    unit, seconds = _choose_time_unit(epochs[-1]["spent_s"])
    time = np.array([epoch["spent_s"] for epoch in epochs]) / seconds
    _draw_dice(dice, time, epochs)
    _draw_line(loss, time, [epoch["loss"] for epoch in epochs], COLOURS[0], "training loss")
    _draw_line(rate, time, [epoch["learning_rate"] for epoch in epochs], INK, "learning rate")
    rate.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    rate.set_xlabel(f"training time ({unit})", color=INK)
    last = epochs[-1]
    spent = f"{last['epoch']} epochs, {last['iteration']:,} iterations, {time[-1]:.3g} {unit}"
    dice.set_title(spent, loc="left", fontsize=9.5, color=QUIET, pad=8)
    figure.align_ylabels()
    set_title(figure, title or "Training")
    save_figure(figure, path)


def _choose_time_unit(spent_s: float) -> tuple[str, float]:
    if spent_s < 120:
        return "s", 1.0
    return ("min", 60.0) if spent_s < 3 * 3600 else ("h", 3600.0)


def _draw_dice(axes: Axes, time: FloatArray, epochs: Sequence[Mapping[str, Any]]) -> None:
    names = list(epochs[-1]["validation_dice"])
    curves = {name: _series([epoch["validation_dice"].get(name) for epoch in epochs]) for name in names}
    if len(names) > MAX_NAMED_LABELS:
        for values in curves.values():
            axes.plot(time, values, color="#C8C8C8", linewidth=0.7)
        table = np.stack(list(curves.values()))
        curves = {f"mean of {len(names)} labels": np.array([_mean_defined(column) for column in table.T])}
    for colour, values in zip(COLOURS, curves.values(), strict=False):
        _draw_line(axes, time, values, colour, "")
    _name_ends(axes, time, curves)
    axes.set_ylabel("validation Dice", color=INK)
    axes.set_ylim(0, 1)
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    axes.set_yticks(np.arange(0.1, 1, 0.2), minor=True)


def _series(values: Sequence[float | None]) -> FloatArray:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _mean_defined(values: FloatArray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else math.nan


def _draw_line(axes: Axes, x: FloatArray, y: Sequence[float] | FloatArray, colour: str, name: str) -> None:
    few = len(x) <= 40
    axes.plot(x, y, color=colour, linewidth=1.6, marker="o" if few else "", markersize=3.0, solid_joinstyle="round")
    if name:
        axes.set_ylabel(name, color=INK)
    _tidy(axes)


def _name_ends(axes: Axes, time: FloatArray, curves: Mapping[str, FloatArray]) -> None:
    """Write each curve's name and last value at its right end, moved apart where they would meet."""
    ends = {name: values[~np.isnan(values)][-1] for name, values in curves.items() if not np.isnan(values).all()}
    heights = _move_apart(list(ends.values()), least=0.065, highest=0.98)
    colours = dict(zip(curves, COLOURS, strict=False))
    for (name, value), height in zip(ends.items(), heights, strict=True):
        axes.annotate(
            f"{name}  {value:.3f}",
            xy=(1.015, height),
            xycoords=("axes fraction", "data"),
            color=colours[name],
            fontsize=9,
            fontweight="bold",
            va="center",
            annotation_clip=False,
        )


def _move_apart(heights: Sequence[float], *, least: float, highest: float) -> list[float]:
    """The same heights in the same order of rank, at least `least` apart, starting from the top."""
    placed = [0.0] * len(heights)
    ceiling = highest
    for index in sorted(range(len(heights)), key=lambda index: -heights[index]):
        placed[index] = min(heights[index], ceiling)
        ceiling = placed[index] - least
    return placed


def _tidy(axes: Axes) -> None:
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(which="both", colors=QUIET, labelcolor=INK, labelsize=9)
