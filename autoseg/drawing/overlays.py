"""Where do reference and prediction agree, on a picture of the image?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoseg.drawing.figures import BRIGHT_COLOURS, INK, QUIET, escape, make_figure, save_figure, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = np.ndarray
IntArray = np.ndarray
Box = tuple[float, float, float, float]  # top, bottom, left, right in pixels

ROW_INCHES = 3.0  # height of a case in a picture of overlays
SCORES_INCHES = 2.3  # width of the column with its scores
MAX_CLOSE_UP_SHARE = 0.65  # of a slice: a close-up that shows more than that shows all
MARGIN_SHARE = 0.5  # of the foreground's extent: the surroundings that a close-up shows on each side
WINDOW_PERCENTILES = (0.5, 99.5)  # the intensities that a picture spans
MAX_NAMED_LABELS = 16  # in the column of scores: the largest ones


@dataclass(frozen=True)
class Overlay:
    """A case to be drawn.

    Attributes:
        case_id: its name.
        image: intensities of one channel (Z, Y, X), or red, green and blue in 0..255 as (3, Z, Y, X).
        reference: labels (Z, Y, X), None where there is none.
        predicted: labels (Z, Y, X).
        spacing_mm: mm (z, y, x).
        dice: by label name, to be written beside the picture; may be empty or NaN.
    """

    case_id: str
    image: FloatArray
    reference: IntArray | None
    predicted: IntArray
    spacing_mm: tuple[float, float, float]
    dice: Mapping[str, float]


def draw_overlays(items: Sequence[Overlay], path: Path, *, label_names: Sequence[str], title: str = "") -> None:
    """Draw cases as a PNG, one row each: the slice with most foreground, and a close-up with reference and prediction.

    Slices are cut across the axis that has one voxel, else that of the widest spacing, and drawn in true proportions.

    Args:
        items: at least one case.
        path: the file to write.
        label_names: name of label 0, 1, 2, ...
        title: written above.
    """
    slices = [cut_slice(item) for item in items]
    widths = [
        ROW_INCHES * max(width_over_height(cut.whole, cut.aspect) for cut in slices),
        ROW_INCHES * max(width_over_height(cut.view, cut.aspect) for cut in slices),
        SCORES_INCHES,
    ]
    figure = make_figure(width=sum(widths) + 0.5, height=0.8 + (ROW_INCHES + 0.3) * len(items))
    grid = figure.subplots(len(items), 3, squeeze=False, width_ratios=widths)
    for row, item, cut in zip(grid, items, slices, strict=True):
        _draw_case(row, item.case_id, cut)
        _write_scores(row[2], item, label_names)
    _write_row(grid[0, 2], 0.03, "filled: reference, line: predicted", "", size=8.5, colour=QUIET)
    set_title(figure, title or "Predictions")
    save_figure(figure, path)


@dataclass(frozen=True)
class Slice:
    """One slice of a case; `aspect` is row over column spacing."""

    name: str
    picture: FloatArray
    reference: IntArray
    predicted: IntArray
    aspect: float
    view: Box

    @property
    def whole(self) -> Box:
        n_rows, n_columns = self.predicted.shape
        return -0.5, n_rows - 0.5, -0.5, n_columns - 0.5


def cut_slice(item: Overlay) -> Slice:
    """The slice with most foreground, across the axis that has one voxel, else that of the widest spacing."""
    shape = item.predicted.shape
    axis = max(range(3), key=lambda axis: (shape[axis] == 1, item.spacing_mm[axis]))
    reference = np.zeros_like(item.predicted) if item.reference is None else item.reference
    foreground = (reference > 0) | (item.predicted > 0)
    index = int(foreground.sum(axis=tuple(other for other in range(3) if other != axis)).argmax())
    row_mm, column_mm = (mm for other, mm in enumerate(item.spacing_mm) if other != axis)
    return Slice(
        name=f", slice {index + 1} along {'zyx'[axis]}" if item.predicted.shape[axis] > 1 else "",
        picture=_to_picture(item, index, axis),
        reference=reference.take(index, axis=axis),
        predicted=item.predicted.take(index, axis=axis),
        aspect=row_mm / column_mm,
        view=_choose_view(np.take(foreground, index, axis=axis), row_mm, column_mm),
    )


def width_over_height(box: Box, aspect: float) -> float:
    """Of a box in true proportions, within bounds that a row of pictures bears."""
    top, bottom, left, right = box
    return float(np.clip((right - left) / ((bottom - top) * aspect), 0.4, 1.8))


def _draw_case(row: Sequence[Axes], case_id: str, cut: Slice) -> None:
    for axes in row[:2]:
        show_slice(axes, cut.picture, cut.aspect)
    if cut.view != cut.whole:
        _frame_view(row[0], cut.view)
    draw_labels(row[1], cut.reference, cut.predicted)
    row[1].set_xlim(cut.view[2], cut.view[3])
    row[1].set_ylim(cut.view[1], cut.view[0])
    row[0].set_title(escape(case_id + cut.name), fontsize=9, color=INK, loc="left")


def _to_picture(item: Overlay, index: int, axis: int) -> FloatArray:
    if item.image.ndim == 4:
        colour: FloatArray = np.clip(np.moveaxis(item.image.take(index, axis=axis + 1), 0, -1) / 255.0, 0, 1)
        return colour
    grey = item.image.take(index, axis=axis).astype(np.float64)
    low, high = np.percentile(grey, WINDOW_PERCENTILES)
    window: FloatArray = np.clip((grey - low) / max(high - low, 1e-12), 0, 1)
    return window


def _choose_view(foreground: IntArray, row_mm: float, column_mm: float) -> Box:
    """The foreground and its surroundings, a square in mm cut to the slice; all of the slice if it is little more."""
    places = np.argwhere(foreground)
    edge = np.array(foreground.shape) - 0.5
    whole = (-0.5, float(edge[0]), -0.5, float(edge[1]))
    if not len(places):
        return whole
    low, high = places.min(axis=0), places.max(axis=0) + 1
    scale = np.array([row_mm, column_mm])
    half_mm = (0.5 + MARGIN_SHARE) * ((high - low) * scale).max()
    middle = (low + high) / 2 - 0.5
    first = np.maximum(middle - half_mm / scale, -0.5)
    last = np.minimum(middle + half_mm / scale, edge)
    if np.prod(last - first) > MAX_CLOSE_UP_SHARE * foreground.size:
        return whole
    return float(first[0]), float(last[0]), float(first[1]), float(last[1])


def show_slice(axes: Axes, picture: FloatArray, aspect: float) -> None:
    """Show a picture without ticks or frame."""
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="bilinear")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_anchor("NW")


def _frame_view(axes: Axes, view: Box) -> None:
    top, bottom, left, right = view
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    axes.plot(*zip(*corners, strict=True), color="white", linewidth=0.9)


def draw_labels(axes: Axes, reference: IntArray, predicted: IntArray) -> None:
    """Fill the labels of the reference, and draw a line around those predicted."""
    from matplotlib.patheffects import Normal, Stroke

    for label in np.union1d(reference, predicted):
        if label <= 0:
            continue
        colour = BRIGHT_COLOURS[(int(label) - 1) % len(BRIGHT_COLOURS)]
        if (reference == label).any():
            axes.contourf(reference == label, levels=[0.5, 1.5], colors=[colour], alpha=0.38)
        if (predicted == label).any():
            lines = axes.contour(predicted == label, levels=[0.5], colors=[colour], linewidths=1.6)
            lines.set_path_effects([Stroke(linewidth=2.8, foreground="#00000099"), Normal()])


def _write_scores(axes: Axes, item: Overlay, label_names: Sequence[str]) -> None:
    """Names of the labels in their colours, with Dice; the largest ones where there are too many."""
    axes.set_axis_off()
    n_voxels = np.bincount(np.maximum(item.predicted, 0).astype(np.int64).ravel(), minlength=len(label_names))[1:]
    shown = sorted(np.argsort(-n_voxels, kind="stable")[:MAX_NAMED_LABELS] + 1)
    step = min(0.1, 0.96 / (len(shown) + 1))
    _write_row(axes, 0.97, "label", "Dice", size=8.5, colour=QUIET)
    for place, label in enumerate(shown, start=1):
        height = 0.97 - place * step
        colour = BRIGHT_COLOURS[(label - 1) % len(BRIGHT_COLOURS)]
        dice = item.dice.get(label_names[label], math.nan)
        axes.scatter(0.07, height, s=40, color=colour, edgecolor=INK, linewidth=0.5, transform=axes.transAxes)
        _write_row(axes, height, label_names[label], "-" if math.isnan(dice) else f"{dice:.3f}", size=9.5, colour=INK)


def _write_row(axes: Axes, height: float, left: str, right: str, *, size: float, colour: str) -> None:
    style: dict[str, Any] = {"fontsize": size, "color": colour, "va": "center", "transform": axes.transAxes}
    axes.text(0.14, height, escape(left), **style)
    axes.text(0.98, height, right, ha="right", **style)
