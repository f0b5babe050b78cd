"""How far is the prediction from the truth's boundary? Terms that weigh voxels by their distance to it.

Distances are exact Euclidean ones between voxel centres (scipy, on the CPU, for every sample and channel of every
batch: about 0.35 s per million voxels and channel on one core), in voxels of the finest level unless a plan says how
long these are: `spacing: [3, 1, 1]`. A channel without a boundary, because none or all of a sample is of it, has 0
everywhere: the terms say nothing about it, and nothing about overlap. Use them beside soft Dice, with small weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from autoseg.errors import PlanError
from autoseg.training.distributing import gather_sum
from autoseg.training.losses.target import Target, compare_channels


def boundary(logits: Tensor, target: Target, *, spacing: Sequence[float] | None = None) -> Tensor:
    """Boundary loss (Kervadec et al., arXiv 1812.07032): the mean of distance times probability.

    The distance is that to the nearest voxel on the other side, negative inside of the truth: the loss is least, and
    below 0, where prediction and truth are the same. The paper begins with a weight of 0.01 beside Dice.

    Args:
        logits: (B, K, *patch).
        target: of the same batch.
        spacing: lengths of the finest level's voxels along the patch's axes, in any unit.
    """
    channels = compare_channels(logits, target)
    distances = measure_signed_distance(channels.truth, _find_lengths(target, spacing, "boundary"))
    return _average(channels.probabilities * distances, channels.known)


def hausdorff(
    logits: Tensor, target: Target, *, exponent: float = 2.0, spacing: Sequence[float] | None = None
) -> Tensor:
    """Hausdorff loss by distance transforms (Karimi and Salcudean, arXiv 1904.10030), 0 at best.

    The mean of (p - g)^2 (d_g^a + d_p^a), d_g and d_p the distances to the boundaries of truth and prediction; the
    prediction is where its probability is above a half.

    Args:
        logits: (B, K, *patch).
        target: of the same batch.
        exponent: a; larger ones look at the farthest errors only.
        spacing: lengths of the finest level's voxels along the patch's axes, in any unit.
    """
    if not 0 < exponent < math.inf:
        raise PlanError(f"loss.parameters.hausdorff: exponent is {exponent}, but must be positive.")
    channels = compare_channels(logits, target)
    lengths = _find_lengths(target, spacing, "hausdorff")
    masks = channels.truth, channels.probabilities.detach() > 0.5
    far = sum(measure_signed_distance(mask, lengths).abs() ** exponent for mask in masks)
    return _average((channels.probabilities - channels.truth.float()) ** 2 * far, channels.known)


def measure_signed_distance(masks: Tensor, lengths: Sequence[float]) -> Tensor:
    """The distance of every voxel to the nearest voxel on the other side of a mask's boundary.

    Args:
        masks: bool (B, C, *patch).
        lengths: of a voxel along the patch's axes.

    Returns:
        float32 like the masks: positive outside, negative inside, 0 where a mask has no boundary.
    """
    arrays = masks.cpu().numpy()
    distances = np.zeros(arrays.shape, dtype=np.float32)
    for place in np.ndindex(*arrays.shape[:2]):
        inside = arrays[place]
        if inside.any() and not inside.all():
            outwards = ndimage.distance_transform_edt(~inside, sampling=lengths)
            distances[place] = outwards - ndimage.distance_transform_edt(inside, sampling=lengths)
    return torch.from_numpy(distances).to(masks.device)


def _find_lengths(target: Target, spacing: Sequence[float] | None, name: str) -> list[float]:
    """Lengths of this level's voxels."""
    n_axes = target.labels.ndim - 1
    given = [1.0] * n_axes if spacing is None else spacing
    if not isinstance(given, list | tuple) or len(given) != n_axes or not all(map(_is_length, given)):
        raise PlanError(f"loss.parameters.{name}: spacing is {given}, but must be {n_axes} positive numbers.")
    steps = target.step or (1.0,) * n_axes
    return [length * step for length, step in zip(given, steps, strict=True)]


def _is_length(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


def _average(values: Tensor, known: Tensor) -> Tensor:
    """The mean over known voxels and channels of the whole batch; 0 of nothing."""
    n = gather_sum(known.expand_as(values).sum())
    return gather_sum((values * known).sum()) / n.clamp(min=1)
