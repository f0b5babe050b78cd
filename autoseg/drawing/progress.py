"""How did training go: Dice, loss and its terms, learning rate, waiting for data and memory over time?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoseg.drawing.figures import (
    COLOURS,
    INK,
    QUIET,
    escape,
    make_figure,
    move_apart,
    save_figure,
    set_title,
    shorten,
    tidy_axes,
)
from autoseg.serialization import Record, to_plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = np.ndarray

MAX_NAMED_LABELS = 7  # more lines than that are drawn in grey, with their mean and the worst on top
LOSS_COLOURS = (INK, *COLOURS)
LEAST_WAITING_PERCENT = 5.0  # of the axis: less waiting than that is none


def draw_progress(
    history: Sequence[Record | Mapping[str, Any]], path: Path, *, title: str = "", predicted_gb: float | None = None
) -> None:
    """Draw training over time as a PNG: Dice per label, loss and its terms, learning rate, waiting, memory.

    Args:
        history: epochs as `history.jsonl` holds them, at least one: `spent_s`, `epoch`, `iteration`, `loss`,
            `learning_rate`, `validation_dice` (by label name, None where undefined); where they are there, also
            `terms`, `whole_case_dice`, `waiting_share` and `memory_gb`.
        path: the file to write.
        title: what was trained.
        predicted_gb: the peak of memory that the plan predicts.
    """
    epochs = [to_plain(epoch) for epoch in history]
    figure = make_figure(width=8.5, height=9.6)
    dice, loss, rate, waiting, memory = figure.subplots(5, 1, sharex=True, height_ratios=[3.4, 2.2, 1, 0.8, 1])
    unit, seconds = _choose_time_unit(epochs[-1]["spent_s"])
    time = np.array([epoch["spent_s"] for epoch in epochs]) / seconds
    _draw_dice(dice, time, epochs)
    _draw_loss(loss, time, epochs)
    _draw_line(rate, time, [epoch["learning_rate"] for epoch in epochs], INK, "learning rate")
    rate.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _draw_waiting(waiting, time, epochs)
    _draw_memory(memory, time, epochs, predicted_gb)
    memory.set_xlabel(f"training time ({unit})", color=INK)
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
    axes.set_ylim(0, 1)
    names = list(epochs[-1]["validation_dice"])
    curves = {name: _series([epoch["validation_dice"].get(name) for epoch in epochs]) for name in names}
    if len(names) > MAX_NAMED_LABELS:
        for values in curves.values():
            axes.plot(time, values, color="#C8C8C8", linewidth=0.7)
        table = np.stack(list(curves.values()))
        curves = {f"mean of {len(names)} labels": np.array([_mean_defined(column) for column in table.T])}
        curves |= _find_worst(names, table)
    for colour, values in zip(COLOURS, curves.values(), strict=False):
        _draw_line(axes, time, values, colour, "")
    whole = _series([epoch.get("whole_case_dice") for epoch in epochs])
    if not np.isnan(whole).all():
        axes.plot(time, whole, color=INK, linestyle="", marker="D", markersize=4.5)
        curves["whole cases"] = whole
    _name_ends(axes, curves, colours=[*COLOURS[: len(curves) - 1], INK] if "whole cases" in curves else COLOURS)
    axes.set_ylabel("Dice (validation patches)", color=INK)
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    axes.set_yticks(np.arange(0.1, 1, 0.2), minor=True)


def _find_worst(names: Sequence[str], table: FloatArray) -> dict[str, FloatArray]:
    """The curve of the label that ends lowest, none where no label has a Dice."""
    ends = table[:, -1]
    if np.isnan(ends).all():
        return {}
    worst = int(np.nanargmin(ends))
    return {f"worst: {names[worst]}": table[worst]}


def _draw_loss(axes: Axes, time: FloatArray, epochs: Sequence[Mapping[str, Any]]) -> None:
    """The loss, and its terms below it where there are several."""
    loss = _series([epoch["loss"] for epoch in epochs])
    names = list(epochs[-1].get("terms", {}))
    terms = {name: _series([epoch.get("terms", {}).get(name) for epoch in epochs]) for name in names}
    curves = {"loss": loss, **(terms if len(terms) > 1 else {})}
    for colour, values in zip(LOSS_COLOURS, curves.values(), strict=False):
        _draw_line(axes, time, values, colour, "")
    axes.set_ylabel("training loss", color=INK)
    _name_ends(axes, dict(list(curves.items())[: len(LOSS_COLOURS)]), colours=LOSS_COLOURS, least=0.1)


def _draw_waiting(axes: Axes, time: FloatArray, epochs: Sequence[Mapping[str, Any]]) -> None:
    """The share of time that training waited for data, in percent."""
    percent = 100 * _series([epoch.get("waiting_share") for epoch in epochs])
    _draw_line(axes, time, percent, INK, "waiting (%)")
    axes.set_ylim(0, max(LEAST_WAITING_PERCENT, 1.1 * float(np.nanmax(percent, initial=0.0))))


def _draw_memory(axes: Axes, time: FloatArray, epochs: Sequence[Mapping[str, Any]], predicted_gb: float | None) -> None:
    """Peak memory so far, and the line that the plan predicts."""
    memory = _series([epoch.get("memory_gb") for epoch in epochs])
    _draw_line(axes, time, memory, INK, "memory (GB)")
    if predicted_gb is not None:
        axes.axhline(predicted_gb, color=COLOURS[1], linewidth=1.2, linestyle="--")
        _write_beside(axes, f"predicted  {predicted_gb:.2f}", predicted_gb, COLOURS[1])
    axes.set_ylim(0, 1.25 * max(predicted_gb or 0.0, float(np.nanmax(memory, initial=0.0)), 0.1))


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
    tidy_axes(axes)


def _name_ends(axes: Axes, curves: Mapping[str, FloatArray], *, colours: Sequence[str], least: float = 0.065) -> None:
    """Write each curve's name and last value at its right end, moved apart where they would meet.

    Args:
        axes, curves, colours: where, what, and in which colours.
        least: distance of two names, as a share of the panel's height.
    """
    ends = {name: values[~np.isnan(values)][-1] for name, values in curves.items() if not np.isnan(values).all()}
    low, high = axes.get_ylim()
    heights = move_apart(list(ends.values()), least=least * (high - low), limits=(low, low + 0.98 * (high - low)))
    colour_of = dict(zip(curves, colours, strict=False))
    for (name, value), height in zip(ends.items(), heights, strict=True):
        _write_beside(axes, f"{shorten(name)}  {value:.3f}", height, colour_of[name])


def _write_beside(axes: Axes, text: str, height: float, colour: str) -> None:
    axes.annotate(
        escape(text),
        xy=(1.015, height),
        xycoords=("axes fraction", "data"),
        color=colour,
        fontsize=9,
        fontweight="bold",
        va="center",
        annotation_clip=False,
    )
