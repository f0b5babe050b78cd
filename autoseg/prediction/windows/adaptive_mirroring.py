"""How many mirror images does a window need?

A window is seen as it is first. Where nearly all voxels are decided with a clear margin, that is the answer. Otherwise
mirror images are added one by one, the most different first, until one more changes (almost) no voxel; the mean over
what was seen stands. Members of an ensemble share the decision, which rests on their mean.

All shares are relative to the predicted foreground of the window, so that a small structure in much background counts
as much as a large one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autoseg.prediction.windows.agreement import decide
from autoseg.prediction.windows.mirroring import Axes, Network, add_flipped, flip, list_mirrorings

# To be tuned further. Chosen with 10 validation cases of Hippocampus after one look at the other 32, where a U-Net then
# lost 0.0010 of Dice against all 8 mirror images with 2.2 passes per window, 0.0058 with 1, and 0.0009 with always 2.
CLEAR_MARGIN = 0.5  # log odds of the best output against the second
MOST_UNCLEAR = 0.04  # voxels without a clear margin, per voxel of foreground
MOST_CHANGED = 0.05  # voxels that the last mirror image changed, per voxel of foreground


@dataclass(frozen=True)
class Limits:
    """When enough was seen.

    Attributes:
        margin: log odds below which a voxel is unclear: between its two best labels, or between a region and not.
        unclear: share of unclear voxels up to which the plain window is enough.
        changed: share of changed voxels up to which one more mirror image was the last.
    """

    margin: float = CLEAR_MARGIN
    unclear: float = MOST_UNCLEAR
    changed: float = MOST_CHANGED


@dataclass(frozen=True)
class Passes:
    """What an ensemble says about a batch of windows.

    Attributes:
        members: mean logits (B, K, *patch) over what each network saw; or, as the only one, the mean over the networks.
        n_passes: per window, how many mirror images were seen, itself included.
    """

    members: tuple[Tensor, ...]
    n_passes: tuple[int, ...]


def order_mirrorings(axes: Sequence[int]) -> tuple[Axes, ...]:
    """All mirrorings in pairs of opposites: after each pair, every axis was seen from both ends equally often."""
    if not axes:
        return ((),)
    halves = list_mirrorings(axes[1:])
    return tuple(one for some in halves for one in (some, tuple(axis for axis in axes if axis not in some)))


def predict_adaptively(
    networks: Sequence[Network],
    batch: Tensor,
    axes: Sequence[int],
    *,
    regions: bool,
    keep_members: bool = False,
    limits: Limits | None = None,
) -> Passes:
    """Average the networks' logits over as many mirror images as each window needs.

    Args:
        networks: each (B, C, *patch) -> logits (B, K, *patch).
        batch: (B, C, *patch).
        axes: spatial axes of the patch, counted from 0, along which anatomy may be mirrored.
        regions: whether outputs are regions, each decided alone, not labels of which the largest wins.
        keep_members: whether each network's mean is wanted, which takes memory per network.
        limits: when enough was seen; None is what was tuned.
    """
    limits = limits or Limits()
    sums: list[Tensor] = []
    n_passes = torch.zeros(len(batch), dtype=torch.int64, device=batch.device)
    active = torch.arange(len(batch), device=batch.device)
    before: Tensor | None = None
    for mirroring in order_mirrorings(axes):
        sums = _add_pass(sums, networks, flip(batch[active], mirroring), mirroring, active, keep_members)
        n_passes[active] += 1
        total = _sum_members(sums, active)
        now = decide(total, regions=regions)
        if before is None:
            enough = _measure_unclear(total, now, limits.margin * len(networks), regions) <= limits.unclear
        else:
            enough = _measure_changed(before, now, regions) <= limits.changed
        active, before = active[~enough], now[~enough]
        if len(active) == 0:
            break
    seen = n_passes.view(-1, *(1,) * (batch.ndim - 1)) * (1 if keep_members else len(networks))
    return Passes(tuple(one.div_(seen) for one in sums), tuple(n_passes.tolist()))


def _add_pass(
    sums: list[Tensor],
    networks: Sequence[Network],
    flipped: Tensor,
    mirroring: Axes,
    active: Tensor,
    keep_members: bool,
) -> list[Tensor]:
    """Add what the networks say about one mirror image of the active windows; the first pass makes the sums."""
    is_first = not sums
    for i, network in enumerate(networks):
        logits = network(flipped).float()
        if is_first and (keep_members or i == 0):
            sums = [*sums, logits.clone()]
            continue
        target = sums[i if keep_members else 0]
        if len(active) == len(target):
            add_flipped(target, logits, mirroring)
        else:
            target.index_add_(0, active, flip(logits, mirroring))
    return sums


def _sum_members(sums: Sequence[Tensor], active: Tensor) -> Tensor:
    """The active windows' sum over the networks."""
    parts = [one if len(active) == len(one) else one[active] for one in sums]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _measure_unclear(total: Tensor, decisions: Tensor, margin: float, regions: bool) -> Tensor:
    """Per window, voxels whose summed logits are closer than the margin, per voxel of foreground."""
    if regions:
        unclear = (total.abs() < margin).any(dim=1)
    else:
        best, second = find_two_largest(total)
        unclear = best - second < margin
    return _count(unclear) / _count(_find_foreground(decisions, regions)).clamp(min=1)


def _measure_changed(before: Tensor, now: Tensor, regions: bool) -> Tensor:
    """Per window, voxels that are decided otherwise than before, per voxel of foreground before or now."""
    changed = (before != now).any(dim=1) if regions else before != now
    foreground = _find_foreground(before, regions) | _find_foreground(now, regions)
    return _count(changed) / _count(foreground).clamp(min=1)


def find_two_largest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The largest and the second largest (B, *patch) of logits (B, K, *patch); minus infinity where K is 1."""
    best = logits[:, 0].clone()
    second = torch.full_like(best, -torch.inf)
    for output in logits.unbind(dim=1)[1:]:
        second = torch.maximum(second, torch.minimum(best, output))
        best = torch.maximum(best, output)
    return best, second


def _find_foreground(decisions: Tensor, regions: bool) -> Tensor:
    return decisions.any(dim=1) if regions else decisions > 0


def _count(mask: Tensor) -> Tensor:
    return mask.flatten(1).sum(dim=1)
