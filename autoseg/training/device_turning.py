"""How does the training device turn, scale and bend a patch?

As `turning` does: the same coordinates, images interpolated linearly, and at each point the label with the largest
share. torch computes in float32, so that a point may lie 1e-5 voxels elsewhere, and now and then a tie falls otherwise.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from autoseg.training.turning import (
    Shape,
    Turn,
    compute_matrix,
    compute_offset,
    draw_control_points,
    weigh_control_points,
)


def turn_on_device(image: Tensor, segmentation: Tensor, turn: Turn, patch_size: Shape) -> tuple[Tensor, Tensor]:
    """Resample a patch out of its source.

    Args:
        image: float32 (C, *source), the patch and at least `compute_margin` around it.
        segmentation: integer (*source). What lies outside of it is background.
        turn: what to do.
        patch_size: shape of the result.

    Returns:
        float32 (C, *patch) and integer (*patch), on the same device.
    """
    n_axes = len(compute_matrix(turn))
    target, source = patch_size[-n_axes:], tuple(segmentation.shape[-n_axes:])
    points = _compute_points(turn, source, target, image.device)
    moved = _interpolate_image(image.reshape(-1, *source), points)
    labels = _interpolate_labels(segmentation.reshape(-1, *source), points.flatten(1))
    return moved.reshape(len(image), *patch_size), labels.reshape(patch_size)


def _compute_points(turn: Turn, source: Shape, target: Shape, device: torch.device) -> Tensor:
    """Where in the source each voxel of the target comes from, float32 (n_axes, *target), in voxels."""
    matrix = compute_matrix(turn)
    offset = torch.from_numpy(compute_offset(matrix, source, target)).float().to(device)
    axes = [torch.arange(n, dtype=torch.float32, device=device) for n in target]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    if turn.bend is not None:
        moved = torch.from_numpy(draw_control_points(turn.bend, target)).float().to(device)
        for axis, n in enumerate(target, start=1):
            weights = torch.from_numpy(weigh_control_points(n)).float().to(device)
            moved = torch.tensordot(weights, moved, dims=([1], [axis])).movedim(0, axis)
        points = points + moved
    turned: Tensor = torch.tensordot(torch.from_numpy(matrix).float().to(device), points, dims=1)
    turned += offset.reshape(-1, *(1,) * len(target))
    return turned


def _interpolate_image(parts: Tensor, points: Tensor) -> Tensor:
    """(n_parts, *target): linear; beyond the border the image goes on as it ends."""
    sizes = torch.tensor(parts.shape[1:], device=parts.device, dtype=points.dtype).reshape(-1, *(1,) * len(points))
    grid = ((2 * points + 1) / sizes - 1).movedim(0, -1).flip(-1)
    return grid_sample(parts[None], grid[None], mode="bilinear", padding_mode="border", align_corners=False)[0]


def _interpolate_labels(parts: Tensor, points: Tensor) -> Tensor:
    """(n_parts, n_points): the corners around a point vote by closeness, see `turning.interpolate_labels`."""
    n_axes = len(points)
    padded = pad(parts, (1, 2) * n_axes)
    flat, strides = padded.flatten(1), padded.stride()[1:]
    last = torch.tensor(parts.shape[1:], device=parts.device, dtype=points.dtype)[:, None]
    inside = points.clamp(min=-1.0).minimum(last)
    low = inside.floor()
    whole = (low.int() + 1) * torch.tensor(strides, device=parts.device, dtype=torch.int32)[:, None]
    first = whole.sum(dim=0, dtype=torch.int32)
    corners = list(itertools.product((0, 1), repeat=n_axes))
    steps = [sum(c * s for c, s in zip(corner, strides, strict=True)) for corner in corners]
    winners = flat.index_select(1, first)
    part, point = _find_mixed_cells(padded).flatten(1).index_select(1, first).nonzero(as_tuple=True)
    votes = torch.stack([flat[part, first[point] + step] for step in steps])
    winners[part, point] = _count_votes(votes, corners, (inside - low)[:, point])
    return winners


def _find_mixed_cells(parts: Tensor) -> Tensor:
    """For each voxel of (n_parts, *shape) whether the corners of the cell that it begins differ."""
    low, high = parts, parts
    for axis in range(1, parts.ndim):
        n = parts.shape[axis] - 1
        low = torch.minimum(low.narrow(axis, 0, n), low.narrow(axis, 1, n))
        high = torch.maximum(high.narrow(axis, 0, n), high.narrow(axis, 1, n))
    return pad(low != high, (0, 1) * (parts.ndim - 1))


def _count_votes(votes: Tensor, corners: list[tuple[int, ...]], shares: Tensor) -> Tensor:
    """Votes (n_corners, n) weighted by the product of the share (n_axes, n), or the rest of it, per axis."""
    chosen = torch.tensor(corners, device=votes.device)[:, :, None] == 1
    weights = torch.where(chosen, shares, 1 - shares).prod(dim=1)
    scores = torch.stack([(weights * (votes == vote)).sum(dim=0) for vote in votes])
    return votes.gather(0, scores.argmax(dim=0)[None])[0]
