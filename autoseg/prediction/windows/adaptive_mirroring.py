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

# Measured over all 42 validation cases of fold 0 of Hippocampus with one U-Net (mean Dice, mirror images per window):
# all 0.85896 (8), none 0.85426 (1), always 2 0.85827, always 4 0.85896, these values 0.85838 (3.06), and with changed
# 0.05 0.85835 (2.23). These cases chose the values: for other cases nothing was measured.
CLEAR_MARGIN = 0.5  # log odds of the best output against the second
MOST_UNCLEAR = 0.02  # voxels without a clear margin, per voxel of foreground
MOST_CHANGED = 0.03  # voxels that the last mirror image changed, per voxel of foreground


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
class Seen:
    """What an ensemble says about a batch of windows after as many mirror images as each needs.

    Attributes:
        members: mean logits (B, K, *patch) over what each network saw; or, as the only one, the mean over the networks.
        n_mirrorings: per window, how many mirror images were seen, itself included.
    """

    members: tuple[Tensor, ...]
    n_mirrorings: tuple[int, ...]


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
) -> Seen:
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
    n_mirrorings = torch.zeros(len(batch), dtype=torch.int64, device=batch.device)
    active = torch.arange(len(batch), device=batch.device)
    before: Tensor | None = None
    for mirroring in order_mirrorings(axes):
        sums = _add_mirroring(sums, networks, flip(batch[active], mirroring), mirroring, active, keep_members)
        n_mirrorings[active] += 1
        now, enough = _judge(_sum_members(sums, active), before, limits, len(networks), regions)
        active, before = active[~enough], now[~enough]
        if len(active) == 0:
            break
    seen = n_mirrorings.view(-1, *(1,) * (batch.ndim - 1)) * (1 if keep_members else len(networks))
    return Seen(tuple(one.div_(seen) for one in sums), tuple(n_mirrorings.tolist()))


def _judge(
    total: Tensor, before: Tensor | None, limits: Limits, n_networks: int, regions: bool
) -> tuple[Tensor, Tensor]:
    """What the networks' sum decides, and per window whether enough was seen."""
    now = decide(total, regions=regions)
    if before is None:
        return now, _measure_unclear(total, now, limits.margin * n_networks, regions) <= limits.unclear
    return now, _measure_changed(before, now, regions) <= limits.changed


def _add_mirroring(
    sums: list[Tensor],
    networks: Sequence[Network],
    flipped: Tensor,
    mirroring: Axes,
    active: Tensor,
    keep_members: bool,
) -> list[Tensor]:
    """Add what the networks say about one mirror image of the active windows; the first one makes the sums."""
    is_first = not sums
    for i, network in enumerate(networks):
        logits = network(flipped).float()
        if is_first and (keep_members or i == 0):
            sums = [*sums, logits.clone()]
        elif len(active) == len(sums[0]):
            add_flipped(sums[i if keep_members else 0], logits, mirroring)
        else:
            sums[i if keep_members else 0].index_add_(0, active, flip(logits, mirroring))
        del logits  # before the next network runs
    return sums


def _sum_members(sums: Sequence[Tensor], active: Tensor) -> Tensor:
    """The active windows' sum over the networks, never more than two of which are held beside them."""
    are_all = len(active) == len(sums[0])
    total = sums[0] if are_all else sums[0][active]
    if are_all and len(sums) > 1:
        total = total.clone()
    for one in sums[1:]:
        total += one if are_all else one[active]
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
