"""What do all of autoseg's pictures share?

Pictures are drawn on figures of their own, without pyplot and its global state, so that any thread may draw. Colours
follow Okabe and Ito (2008), whom colour-blind readers can follow too; beyond eight labels they repeat.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autoseg.serialization import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8C6BB1", "#B8A800")
BRIGHT_COLOURS = ("#56B4E9", "#FF8C42", "#2BD9A4", "#F49AC8", "#F0E442", "#E69F00", "#B79CFF", "#FFFFFF")  # on dark
INK = "#222222"
QUIET = "#8A8A8A"
PALE = "#E6E6E6"  # lines of a grid
RESOLUTION_DPI = 150
JPEG_QUALITY = 88
LONGEST_NAME = 28  # letters of a name inside a picture


def make_figure(*, width: float, height: float) -> Figure:
    """An empty white figure; width and height in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.09)
    figure = Figure(figsize=(width, height), dpi=RESOLUTION_DPI, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def set_title(figure: Figure, title: str) -> None:
    """Write the title in the upper left corner."""
    figure.suptitle(escape(title), x=0.02, ha="left", fontsize=13, fontweight="bold", color=INK)


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def to_svg(figure: Figure) -> str:
    """The figure as SVG without a prologue, letters as outlines: it looks alike everywhere, and equal is equal."""
    import matplotlib

    settle(figure)
    stream = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Type": None, "Format": None}
    with matplotlib.rc_context({"svg.hashsalt": "autoseg"}):
        figure.savefig(stream, format="svg", metadata=nothing)
    text = stream.getvalue()
    return text[text.index("<svg") :]


def to_jpeg(figure: Figure) -> bytes:
    """The figure as a JPEG, for what is mostly photograph."""
    settle(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="jpeg", pil_kwargs={"quality": JPEG_QUALITY, "optimize": True})
    return stream.getvalue()


def settle(figure: Figure) -> None:
    """Lay the figure out for good: what is written beside its points stays there, and writing takes half the time."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def tidy_axes(axes: Axes, *, grid: str = "y") -> None:
    """A pale grid along one axis, no frame, quiet ticks."""
    axes.grid(axis=grid, color=PALE, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(which="both", colors=QUIET, labelcolor=INK, labelsize=9)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name rows 0, 1, ... of a picture from the top; no axis is drawn for them."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [escape(name) for name in names])
    axes.tick_params(axis="y", length=0, labelsize=9.5)
    axes.spines["left"].set_visible(False)


def shorten(name: str) -> str:
    """A name that fits inside a picture; of a long `package:Network` the latter."""
    if len(name) > LONGEST_NAME:
        name = name.rpartition(":")[2] or name
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def escape(text: str) -> str:
    """Text that matplotlib draws as it stands: a pair of dollar signs would begin a formula."""
    return text.replace("$", r"\$")


def move_apart(heights: Sequence[float], *, least: float, limits: tuple[float, float]) -> list[float]:
    """The same heights in the same order of rank, at least `least` apart and within limits; nearer if these are narrow.

    Args:
        heights: where things would stand by themselves.
        least: distance between neighbours.
        limits: lowest and highest place.
    """
    lowest, highest = limits
    step = min(least, (highest - lowest) / max(1, len(heights) - 1))
    order = sorted(range(len(heights)), key=lambda index: -heights[index])
    placed = list(heights)
    ceiling, floor = highest, lowest
    for index in order:
        placed[index] = min(placed[index], ceiling)
        ceiling = placed[index] - step
    for index in reversed(order):
        placed[index] = max(placed[index], floor)
        floor = placed[index] + step
    return placed
