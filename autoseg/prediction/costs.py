"""How many floating point operations does predicting an image take?

As `prediction.windows` does it: every window that covers the image, every mirror image of it, once per network. Of a
real image it may be fewer: windows of one constant value are asked about once, and adaptive mirroring stops early.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoseg.prediction.options import PredictionOptions
from autoseg.prediction.windows.mirroring import list_mirrorings
from autoseg.prediction.windows.placing import compute_window_starts


def count_windows(grid_shape: Sequence[int], patch_size: Sequence[int], options: PredictionOptions) -> int:
    """Windows that cover an image.

    Args:
        grid_shape: voxels (z, y, x) of the image on the network grid.
        patch_size: voxels per axis, in axis order; two for networks that see one slice at a time.
        options: the window step.
    """
    patch = (1,) * (len(grid_shape) - len(patch_size)) + tuple(patch_size)
    padded = [max(size, n) for size, n in zip(grid_shape, patch, strict=True)]
    return math.prod(len(starts) for starts in compute_window_starts(padded, patch, options.step))


def count_prediction_flops(
    flops_per_patch: float,
    grid_shape: Sequence[int],
    patch_size: Sequence[int],
    options: PredictionOptions,
    mirroring_axes: Sequence[int],
) -> float:
    """Floating point operations of one network's prediction of an image; at most these under adaptive mirroring.

    Args:
        flops_per_patch: of one forward pass of one patch (`networks.costs`).
        grid_shape: voxels (z, y, x) of the image on the network grid.
        patch_size: voxels per axis, in axis order; two for networks that see one slice at a time.
        options: the window step, and whether mirror images are seen.
        mirroring_axes: axes of the patch, counted from 0, along which the plan allows mirroring.
    """
    n_mirrorings = 1 if options.mirroring == "none" else len(list_mirrorings(mirroring_axes))
    return flops_per_patch * n_mirrorings * count_windows(grid_shape, patch_size, options)
