"""Where do the best, the median and the worst case of a method go right and wrong?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from autoseg.drawing.figures import BRIGHT_COLOURS, INK, QUIET, escape, make_figure, shorten, to_jpeg
from autoseg.drawing.overlays import MAX_NAMED_LABELS, Overlay, Slice, cut_slice, draw_labels, show_slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_INCHES = 7.6
PADDING_INCHES = 0.24  # of a panel, both sides together
MIN_ASPECT, MAX_ASPECT = 0.5, 1.1  # height over width of a panel
BEHIND = "#4A4A4A"  # of the legend's dots, so that bright colours are seen on white


def draw_close_ups(items: Sequence[tuple[str, Overlay]], *, label_names: Sequence[str] = ()) -> bytes:
    """Cases beside each other as a JPEG: reference filled, prediction as a line, in true proportions.

    Args:
        items: a word on each case, and the case; at least one.
        label_names: name of label 0, 1, ... for the legend; none without.
    """
    slices = [cut_slice(item) for _, item in items]
    heights = [np.clip(_height(cut) / _width(cut), MIN_ASPECT, MAX_ASPECT) for cut in slices]
    share = WIDTH_INCHES / max(3, len(items))
    height = 0.62 + max(heights) * (share - PADDING_INCHES) + (0.3 if label_names else 0.0)
    figure = make_figure(width=share * len(items), height=height)
    row = figure.subplots(1, len(items), squeeze=False)[0]
    for axes, (word, item), cut in zip(row, items, slices, strict=True):
        show_slice(axes, cut.picture, cut.aspect)
        draw_labels(axes, cut.reference, cut.predicted)
        axes.set_xlim(cut.view[2], cut.view[3])
        axes.set_ylim(cut.view[1], cut.view[0])
        _name_case(axes, word, item, cut)
    _draw_legend(figure, label_names, slices)
    return to_jpeg(figure)


def _height(cut: Slice) -> float:
    """Height of the view, in columns of the picture."""
    return (cut.view[1] - cut.view[0]) * cut.aspect


def _width(cut: Slice) -> float:
    """Width of the view, in columns of the picture."""
    return cut.view[3] - cut.view[2]


def _name_case(axes: Axes, word: str, item: Overlay, cut: Slice) -> None:
    known = [dice for dice in item.dice.values() if not math.isnan(dice)]
    told = f", Dice {sum(known) / len(known):.3f}" if known else ""
    axes.set_title(f"{word}{told}", fontsize=9.5, color=INK, loc="left", pad=15)
    where = escape(shorten(item.case_id)) + cut.name
    axes.text(0, 1.015, where, fontsize=7.5, color="#666666", transform=axes.transAxes, va="bottom")


def _draw_legend(figure: Figure, label_names: Sequence[str], slices: Sequence[Slice]) -> None:
    """Names of the labels that are seen, in their colours."""
    from matplotlib.lines import Line2D

    seen = np.unique(np.concatenate([np.union1d(cut.reference, cut.predicted) for cut in slices]))
    named = [int(label) for label in seen if 0 < label < len(label_names)][:MAX_NAMED_LABELS]
    if not named:
        return
    marks = [
        Line2D([], [], linestyle="", marker="o", markersize=7, color=_colour(label), markeredgecolor=BEHIND)
        for label in named
    ]
    figure.legend(
        marks,
        [escape(shorten(label_names[label])) for label in named],
        loc="outside lower left",
        ncols=min(6, len(named)),
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
        edgecolor=QUIET,
        handletextpad=0.2,
    )


def _colour(label: int) -> str:
    return BRIGHT_COLOURS[(label - 1) % len(BRIGHT_COLOURS)]
