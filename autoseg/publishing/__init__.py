"""The page, the tables and the figures that show a comparison to others."""

from autoseg.publishing.overlays import MethodOverlay
from autoseg.publishing.page import write_page
from autoseg.publishing.summary import draw_benchmark_summary

__all__ = ["MethodOverlay", "draw_benchmark_summary", "write_page"]
