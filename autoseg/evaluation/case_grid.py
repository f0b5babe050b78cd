"""On which grid is a case measured, and within which box of it a label?

An axis of a single voxel has no extent: pictures and single slices are measured in 2D, by contours. Where a format
stores no spacing, lengths are in voxels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoseg.data.geometry import Geometry

Array = np.ndarray
Box = tuple[slice, ...]


@dataclass(frozen=True)
class Grid:
    """How lengths and volumes are measured in a case.

    Attributes:
        spacing: of the axes that have an extent, two or three; ones where it is not known.
        unit: `mm`, or `px` where the spacing is not known.
        voxel_volume_ml: NaN where it is not known.
        diagonal: of the image, from corner to corner, in `unit`.
        flat_axis: the axis of a single voxel that is left out; None for a volume.
    """

    spacing: tuple[float, ...]
    unit: str
    voxel_volume_ml: float
    diagonal: float
    flat_axis: int | None

    def flatten(self, volume: Array) -> Array:
        """A view without the axis that has no extent."""
        return volume if self.flat_axis is None else volume[(slice(None),) * self.flat_axis + (0,)]


def measure_grid(geometry: Geometry) -> Grid:
    """Find out how lengths are measured on the grid of a case."""
    flat = [axis for axis, n in enumerate(geometry.shape) if n == 1][:1]
    axes = [axis for axis in range(3) if axis not in flat]
    spacing = tuple(geometry.spacing[axis] if geometry.has_spacing else 1.0 for axis in axes)
    return Grid(
        spacing=spacing,
        unit="mm" if geometry.has_spacing else "px",
        voxel_volume_ml=geometry.voxel_volume_ml,
        diagonal=math.hypot(*(geometry.shape[axis] * length for axis, length in zip(axes, spacing, strict=True))),
        flat_axis=flat[0] if flat else None,
    )


def find_boxes(segmentation: Array | None, n_labels: int) -> list[Box | None]:
    """The box of each label of a segmentation; None of one that is nowhere, and of background.

    Args:
        segmentation: labels 0..n-1 and `IGNORED`, any shape; None for none.
        n_labels: number of labels, background included.
    """
    if segmentation is None:
        return [None] * n_labels
    from scipy import ndimage

    return [None, *ndimage.find_objects(segmentation, max_label=max(1, n_labels - 1))]


def unite_boxes(boxes: tuple[list[Box | None], ...], labels: Sequence[int]) -> Box | None:
    """The box around several labels on all sides, reference and prediction; None if none is anywhere."""
    its = [box for side in boxes for label in labels if (box := side[label]) is not None]
    if not its:
        return None
    return tuple(
        slice(min(one.start for one in axis), max(one.stop for one in axis)) for axis in zip(*its, strict=True)
    )
