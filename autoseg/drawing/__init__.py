"""What does training, or a segmentation, look like? The one package that knows matplotlib, loaded when it draws."""

from autoseg.drawing.overlays import Overlay, draw_overlays
from autoseg.drawing.progress import draw_progress

__all__ = ["Overlay", "draw_overlays", "draw_progress"]
