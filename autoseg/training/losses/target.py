"""What should the network have said, and for which voxels and channels is that known?

Voxels with the label `IGNORED` never count. A sample may be annotated for some labels only: its voxels of any other
label look like background, so these labels' probabilities are added to background's (the marginal loss of Shi et al.,
arXiv 2007.03868), and terms that average over labels leave them out. Of regions, which have a sigmoid each, those that
are not annotated are left out of every term.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from autoseg.data.labels import IGNORED


@dataclass(frozen=True)
class Target:
    """The truth of a batch.

    Attributes:
        labels: int64 (B, *patch): 0 for background, 1, 2, ..., and `IGNORED`.
        regions: the labels of each region where the K channels of the network are regions; None where they are labels.
        annotated: bool (B, K): which channels a sample is annotated for; None for all. Of labels, background always is.
        step: voxels of the finest level per voxel of this one, along each axis; None for the finest.
    """

    labels: Tensor
    regions: tuple[tuple[int, ...], ...] | None = None
    annotated: Tensor | None = None
    step: tuple[float, ...] | None = None


class Channels(NamedTuple):
    """Answers of the network beside the truth, channel by channel: regions, or labels without background.

    Attributes:
        probabilities: float32 (B, C, *patch), 0 where not known.
        truth: bool (B, C, *patch), False where not known.
        known: bool (B, 1 or C, *patch): where the truth is known.
        counted: bool (B, C): which channels a sample is annotated for.
    """

    probabilities: Tensor
    truth: Tensor
    known: Tensor
    counted: Tensor


def shrink_target(target: Target, shape: Sequence[int]) -> Target:
    """The target on a coarser grid, by nearest voxel."""
    fine = tuple(target.labels.shape[1:])
    if fine == tuple(shape):
        return target
    shrunk = functional.interpolate(target.labels.unsqueeze(1).float(), size=tuple(shape), mode="nearest-exact")
    before = target.step or (1.0,) * len(fine)
    step = tuple(per * old / new for per, old, new in zip(before, fine, shape, strict=True))
    return replace(target, labels=shrunk.squeeze(1).to(target.labels.dtype), step=step)


def compare_channels(logits: Tensor, target: Target) -> Channels:
    """Probabilities and truth of what is looked for: sigmoids of regions, or softmax without background."""
    known = find_known(target)
    merged = merge_logits(logits, target)
    answers = torch.softmax(merged, dim=1)[:, 1:] if target.regions is None else torch.sigmoid(merged)
    probabilities = answers * known
    truth = draw_truth(target, logits.shape[1])
    if target.annotated is None:
        return Channels(probabilities, truth, known, truth.new_ones(truth.shape[:2]))
    return Channels(probabilities, truth & known, known, _leave_background(target, target.annotated))


def find_known(target: Target) -> Tensor:
    """Where the truth of the compared channels is known: bool (B, 1, *patch), or (B, C, *patch) where it varies."""
    supervised = (target.labels != IGNORED).unsqueeze(1)
    if target.annotated is None:
        return supervised
    return supervised & _widen(_leave_background(target, target.annotated), target)


def draw_truth(target: Target, n_outputs: int) -> Tensor:
    """bool (B, C, *patch): which voxels belong to each region, or to each label 1, 2, ..."""
    if target.regions is not None:
        members = [torch.tensor(region, device=target.labels.device) for region in target.regions]
        return torch.stack([torch.isin(target.labels, labels) for labels in members], dim=1)
    foreground = torch.arange(1, n_outputs, device=target.labels.device)
    return target.labels.unsqueeze(1) == foreground.view(1, -1, *[1] * (target.labels.ndim - 1))


def merge_logits(logits: Tensor, target: Target) -> Tensor:
    """Logits where background takes in all labels that a sample is not annotated for; of regions, as they are.

    Background's logit becomes log(sum(exp)) over all that it takes in, so that its probability is their sum.
    """
    if target.annotated is None or target.regions is not None:
        return logits
    joined = _widen(_list_joined(target.annotated), target)
    background = logits.masked_fill(~joined, -math.inf).logsumexp(dim=1, keepdim=True)
    others = logits.masked_fill(joined, torch.finfo(logits.dtype).min)[:, 1:]
    return torch.cat([background, others], dim=1)


def merge_labels(target: Target) -> Tensor:
    """Labels where background takes in all that a sample is not annotated for; under regions, as they are."""
    if target.annotated is None or target.regions is not None:
        return target.labels
    joined = _list_joined(target.annotated)
    taken_in = joined.gather(1, target.labels.clamp(min=0).flatten(1)).view_as(target.labels)
    return target.labels.masked_fill(taken_in & (target.labels != IGNORED), 0)


def _list_joined(annotated: Tensor) -> Tensor:
    """bool (B, K): background, and what it takes in."""
    joined = ~annotated
    joined[:, 0] = True
    return joined


def _leave_background(target: Target, annotated: Tensor) -> Tensor:
    return annotated if target.regions is not None else annotated[:, 1:]


def _widen(per_channel: Tensor, target: Target) -> Tensor:
    """(B, C) with an axis of length 1 for each axis of the patch."""
    return per_channel.view(*per_channel.shape, *[1] * (target.labels.ndim - 1))
