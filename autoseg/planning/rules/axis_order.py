"""In which order do the axes enter the network?

Source: Isensee et al., Nature Methods 2021: the coarsest axis goes first, so that slices are in-plane.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoseg.decision import Decision, ruled

AXES = "zyx"


def decide_axis_order(
    *, spacing_mm: Sequence[float], median_shape: Sequence[float], by_spacing_alone: bool = False
) -> Decision[tuple[int, int, int]]:
    """The permutation from (z, y, x) to axis order.

    Args:
        spacing_mm, median_shape: of the target grid, in (z, y, x).
        by_spacing_alone: leave out that an axis of one slice goes first, as the published rule does.
    """
    coarsest = max(range(3), key=lambda axis: (spacing_mm[axis], -axis))
    flat = [axis for axis in range(3) if median_shape[axis] == 1]
    if len(flat) == 1 and not by_spacing_alone:
        return ruled(_first(flat[0]), f"images are pictures: axis {AXES[flat[0]]} has one voxel and goes first")
    shown = [round(value, 4) for value in spacing_mm]
    if min(spacing_mm) == max(spacing_mm):
        return ruled(_first(coarsest), "all axes have the same spacing, so they stay as they are", spacing_mm=shown)
    return ruled(_first(coarsest), f"axis {AXES[coarsest]} has the coarsest spacing and goes first", spacing_mm=shown)


def _first(axis: int) -> tuple[int, int, int]:
    second, third = (other for other in range(3) if other != axis)
    return axis, second, third
