"""What does a comparison look like at one glance: how Dice spreads over cases, and what it cost?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from autoseg.drawing.boxes import ROW_INCHES, draw_boxes_on
from autoseg.drawing.costs import Point, draw_costs_on, name_points
from autoseg.drawing.curves import Run, draw_curves_on
from autoseg.drawing.figures import make_figure, save_figure, set_title, settle

WIDTH_INCHES = 9.4  # 1410 pixels


def draw_summary(
    dices: Mapping[str, Sequence[float]],
    path: Path,
    *,
    quiet: Collection[str] = (),
    runs: Mapping[str, Sequence[Run]] | None = None,
    costs: Mapping[str, Sequence[Point]] | None = None,
    title: str = "",
) -> None:
    """Draw box plots of Dice beside Dice against time or against a cost, as a PNG.

    Args:
        dices: of every case by method, from the top.
        path: the file to write.
        quiet: methods drawn in grey (`boxes.draw_boxes`).
        runs: curves of each method (`curves.draw_curves`); drawn where there are any.
        costs: points by the cost's name (`costs.draw_costs`); the first is drawn where there are no curves.
        title: written above.
    """
    figure = make_figure(width=WIDTH_INCHES, height=max(3.6, 1.1 + ROW_INCHES * len(dices)))
    n_panels = 2 if runs or costs else 1
    left, *right = figure.subplots(1, n_panels, squeeze=False)[0]
    draw_boxes_on(left, dices, quiet=quiet)
    if title:
        set_title(figure, title)
    if runs:
        draw_curves_on(right[0], runs)
    elif costs:
        name, points = next(iter(costs.items()))
        draw_costs_on(right[0], points, name)
        settle(figure)
        name_points(right[0], points)
    save_figure(figure, path)
