"""Where is the name of a point written so that it covers no other name, point or line?

Names are placed one after another, each at the first of a few places around its point that covers least.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autoseg.drawing.figures import escape, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Box = tuple[float, float, float, float]  # left, bottom, right, top in pixels
Place = tuple[float, float]

FONT_SIZE = 8.0
POINT_RADIUS = 5.0  # in points of type, as the next two
GAP = 6.0
FAR = 14.0
LINE_WEIGHT = 0.35  # to cover a line is less bad than to cover a name or a point
OUTSIDE_WEIGHT = 4.0
DIRECTIONS = ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (0, -1))  # right first, as one reads


def name_places(
    axes: Axes, names: Sequence[str], places: Sequence[Place], *, obstacles: Sequence[Box], colours: Sequence[str]
) -> None:
    """Write names beside points.

    Args:
        axes: whose layout is done.
        names, places, colours: of the points; places in pixels.
        obstacles: lines, as boxes in pixels, that are better not covered.
    """
    scale = axes.figure.dpi / 72
    radius = POINT_RADIUS * scale
    taken = [(x - radius, y - radius, x + radius, y + radius) for x, y in places]
    to_share = axes.transAxes.inverted()
    for name, place, colour in zip(names, places, colours, strict=True):
        text = axes.text(
            0, 0, escape(shorten(name)), fontsize=FONT_SIZE, color=colour, transform=axes.transAxes, va="bottom"
        )
        text.set_in_layout(False)
        size = text.get_window_extent()
        box = _choose_box(place, (size.width, size.height), _frame(axes), (taken, obstacles), scale)
        left, bottom = to_share.transform(box[:2])
        text.set_position((float(left), float(bottom)))
        taken.append(box)


def _frame(axes: Axes) -> Box:
    frame = axes.get_window_extent()
    return frame.x0, frame.y0, frame.x1 + 0.08 * frame.width, frame.y1


def _choose_box(
    place: Place, size: tuple[float, float], frame: Box, avoided: tuple[Sequence[Box], Sequence[Box]], scale: float
) -> Box:
    candidates = [_put(place, size, direction, gap * scale) for gap in (GAP, FAR) for direction in DIRECTIONS]
    taken, lines = avoided

    def count_covered(box: Box) -> float:
        covered = sum(_overlap(box, other) for other in taken) + LINE_WEIGHT * sum(_overlap(box, it) for it in lines)
        return covered + OUTSIDE_WEIGHT * (size[0] * size[1] - _overlap(box, frame))

    return min(candidates, key=count_covered)


def _put(place: Place, size: tuple[float, float], direction: tuple[int, int], gap: float) -> Box:
    """The box of a text of this size, that far from its point in this direction."""
    (x, y), (width, height) = place, size
    left = {1: x + gap, 0: x - width / 2, -1: x - gap - width}[direction[0]]
    aslant = 0.3 if direction[0] else 1.0
    bottom = {1: y + gap * aslant, 0: y - height / 2, -1: y - gap * aslant - height}[direction[1]]
    return left, bottom, left + width, bottom + height


def _overlap(one: Box, other: Box) -> float:
    """Area that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)
