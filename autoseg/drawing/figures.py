"""What do all of autoseg's pictures share?

Pictures are drawn on figures of their own, without pyplot and its global state, so that any thread may draw. Colours
follow Okabe and Ito (2008), whom colour-blind readers can follow too; beyond eight labels they repeat.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autoseg.serialization import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8C6BB1", "#B8A800")
BRIGHT_COLOURS = ("#56B4E9", "#FF8C42", "#2BD9A4", "#F49AC8", "#F0E442", "#E69F00", "#B79CFF", "#FFFFFF")  # on dark
INK = "#222222"
QUIET = "#8A8A8A"
RESOLUTION_DPI = 150


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
    figure.suptitle(title, x=0.02, ha="left", fontsize=13, fontweight="bold", color=INK)


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
