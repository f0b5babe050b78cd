"""How well do the boundaries of a reference and a predicted mask overlap?

The boundary of a mask is the part of it that lies within a width of its contour: the voxels whose centre is no farther
than that from the centre of a voxel outside, and at least those with a face outside. With R and P the boundaries,

    boundary IoU = |R and P| / |R or P|

(Cheng et al., CVPR 2021). In a large object the plain IoU hardly notices what happens to its outline; this does. As
there, the border of the picture is a contour of what reaches it. Where one mask is empty it is 0.

What is left of a mask without its boundary is its erosion by a ball, voxel for voxel. The ball is taken as rods along
x: a mask is eroded by the rods' lengths once, packed to a bit per voxel, and shifted over the ball's other axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autoseg.evaluation.surface import ROUNDING

BoolArray = np.ndarray
PackedArray = np.ndarray  # uint8 (Z, Y, ceil(X / 8)): eight voxels along x in each
Ball = dict[int, dict[int, int]]  # dz -> dy -> how many voxels the ball reaches along x

SLAB_VOXELS = 2**21  # of one byte each: packed, its rods stay in the processor's cache


def boundary_iou(reference: BoolArray, predicted: BoolArray, spacing: Sequence[float], width: float) -> float:
    """Compute the intersection over union of the boundaries of two masks.

    Args:
        reference, predicted: bool (Z, Y, X) or (Y, X), same shape. Outside of the array there is no object.
        spacing: mm, one per axis, in the same order.
        width: of the boundary in mm, greater than 0.

    Returns:
        0 to 1; 0 if one mask is empty, NaN if both are.

    Raises:
        ValueError: shapes or the number of axes differ.
    """
    if reference.shape != predicted.shape or len(spacing) != reference.ndim:
        raise ValueError(
            f"reference has shape {reference.shape}, predicted {predicted.shape}, and there are {len(spacing)} "
            "spacings; expected equal shapes and a spacing per axis."
        )
    ours, theirs = (_find_boundary(mask, spacing, width) for mask in (reference, predicted))
    union = _count(ours | theirs)
    return _count(ours & theirs) / union if union else math.nan


def _find_boundary(mask: BoolArray, spacing: Sequence[float], width: float) -> PackedArray:
    volume = mask if mask.ndim == 3 else mask[np.newaxis]
    packed = np.packbits(volume, axis=-1)
    ball = _measure_ball(spacing, width)
    if _reaches_everywhere(ball, mask.shape):
        return packed
    boundary: PackedArray = packed & ~_erode(volume, ball)
    return boundary


def _measure_ball(spacing: Sequence[float], width: float) -> Ball:
    """The offsets within the width, and the neighbours by face: where a picture has no z there is none along z."""
    limit = (width * (1 + ROUNDING)) ** 2
    z_step, y_step, x_step = spacing if len(spacing) == 3 else (math.inf, *spacing)
    ball: Ball = {0: {0: max(1, _reach(limit, x_step))}}
    for dz in range(_reach(limit, z_step) + 1):
        left = limit - (dz * z_step) ** 2 if dz else limit
        rows = {dy: _reach(left - (dy * y_step) ** 2, x_step) for dy in range(_reach(left, y_step) + 1)}
        ball[dz] = rows | ball.get(dz, {})
    ball[0].setdefault(1, 0)
    if len(spacing) == 3:
        ball.setdefault(1, {0: 0})
    return ball


def _reach(squared: float, step: float) -> int:
    return math.floor(math.sqrt(max(squared, 0.0)) / step)


def _reaches_everywhere(ball: Ball, shape: Sequence[int]) -> bool:
    """Does the outside of the array lie within the ball around every voxel of it? Then all of a mask is boundary."""
    reaches = (max(ball), max(ball[0]), ball[0][0])[-len(shape) :]
    return any(2 * reach >= length for reach, length in zip(reaches, shape, strict=True))


def _erode(mask: BoolArray, ball: Ball) -> PackedArray:
    """Keep the voxels around which the whole ball lies inside; every slice is eroded once for each dz."""
    kept = np.packbits(mask, axis=-1)
    n_slices = max(1, SLAB_VOXELS // max(1, mask[0].size))
    for start in range(0, len(mask), n_slices):
        rods = _erode_along_x(
            mask[start : start + n_slices], {reach for rows in ball.values() for reach in rows.values()}
        )
        for dz, rows in ball.items():
            disc = _erode_slices(rods, rows)
            for shift in {dz, -dz}:
                _keep_where(kept, disc, start + shift)
    for dz in ball:
        kept[:dz] = 0
        kept[len(kept) - dz :] = 0
    return kept


def _keep_where(kept: PackedArray, disc: PackedArray, start: int) -> None:
    """Clear what the slices of `disc` do not hold, beginning at `start`; those beyond the array are nowhere."""
    first, last = max(start, 0), min(start + len(disc), len(kept))
    if first < last:
        kept[first:last] &= disc[first - start : last - start]


def _erode_slices(rods: dict[int, PackedArray], rows: dict[int, int]) -> PackedArray:
    disc = rods[rows[0]].copy()
    for dy, reach in rows.items():
        if dy:
            disc[:, dy:] &= rods[reach][:, :-dy]
            disc[:, :-dy] &= rods[reach][:, dy:]
            disc[:, :dy] = 0
            disc[:, -dy:] = 0
    return disc


def _erode_along_x(mask: BoolArray, reaches: set[int]) -> dict[int, PackedArray]:
    """The voxels whose neighbours along x, as far as each reach, are all inside."""
    eroded = mask.copy()
    rods = {0: np.packbits(mask, axis=-1)}
    for reach in range(1, max(reaches) + 1):
        eroded[..., reach:] &= mask[..., :-reach]
        eroded[..., :-reach] &= mask[..., reach:]
        eroded[..., :reach] = False
        eroded[..., -reach:] = False
        if reach in reaches:
            rods[reach] = np.packbits(eroded, axis=-1)
    return rods


def _count(packed: PackedArray) -> int:
    return int(np.count_nonzero(np.unpackbits(packed)))
