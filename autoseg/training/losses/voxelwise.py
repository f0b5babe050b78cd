"""How surprised is the network at each voxel? Terms that average the cross-entropy of voxels, 0 at best.

Labels cost the cross-entropy of their softmax, once per voxel; regions the binary cross-entropy of their sigmoids, once
per voxel and region. Averages run over what is known, in the whole batch of all processes; of nothing they are 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from autoseg.data.labels import IGNORED
from autoseg.errors import PlanError
from autoseg.training.distributing import gather_sum
from autoseg.training.losses.target import Target, draw_truth, find_known, merge_labels, merge_logits

LEAST_SHARE = 1e-3  # of a label in a batch, for its weight: a handful of voxels does not rule a batch
SMALLEST_DOUBT = 1e-6  # keeps the slope of focal weights finite where a network is certain


def cross_entropy(logits: Tensor, target: Target) -> Tensor:
    """Mean cross-entropy.

    Args:
        logits: (B, K, *patch).
        target: of the same batch.
    """
    if target.regions is not None:
        return _divide(*(part.sum() for part in list_costs(logits, target)))
    merged, labels = merge_logits(logits, target), merge_labels(target)
    total = functional.cross_entropy(merged, labels, ignore_index=IGNORED, reduction="sum")
    return _divide(total, (labels != IGNORED).sum())


def weighted_cross_entropy(
    logits: Tensor, target: Target, *, weights: Sequence[float] | Literal["inverse_frequency"] = "inverse_frequency"
) -> Tensor:
    """Cross-entropy as a weighted mean: sum(w cost) / sum(w).

    Args:
        logits: (B, K, *patch).
        target: of the same batch.
        weights: of each label, background first, or of each region; or `inverse_frequency`: one over the share of the
            label (of a region: of its inside, and of its outside) among the known voxels of the batch, so that all
            labels that are there weigh the same. A share counts as a thousandth at least: the weight of a label that
            a batch merely touches would be noise.
    """
    costs, known = list_costs(logits, target)
    weighing = _weigh(target, known, weights, logits.shape[1])
    return _divide((weighing * costs).sum(), weighing.sum())


def focal(logits: Tensor, target: Target, *, gamma: float = 2.0) -> Tensor:
    """Focal loss (Lin et al., arXiv 1708.02002): the mean of (1 - p)^gamma times the cross-entropy -log(p)."""
    if not 0 <= gamma < math.inf:
        raise PlanError(f"loss.parameters.focal: gamma is {gamma}, but must not be negative.")
    costs, known = list_costs(logits, target)
    doubts = (-torch.expm1(-costs)).clamp(min=SMALLEST_DOUBT)
    return _divide((doubts**gamma * costs).sum(), known.sum())


def top_k(logits: Tensor, target: Target, *, share: float = 0.1) -> Tensor:
    """Mean cross-entropy of the hardest voxels (Wu et al., arXiv 1605.06885).

    They are the hardest `share` of each sample's known voxels, so that no sample's difficulty crowds out another's,
    and that processes, which hold whole samples, need not compare theirs.
    """
    if not 0 < share <= 1:
        raise PlanError(f"loss.parameters.top_k: share is {share}, but must be above 0 and at most 1.")
    costs, known = (part.flatten(1) for part in list_costs(logits, target))
    counts = [math.ceil(share * n) for n in known.sum(1).tolist()]
    hardest = [sample.topk(n).values.sum() for sample, n in zip(costs, counts, strict=True)]
    return _divide(torch.stack(hardest).sum(), torch.tensor(sum(counts), device=costs.device))


def list_costs(logits: Tensor, target: Target) -> tuple[Tensor, Tensor]:
    """The cross-entropy of every voxel, 0 where not known, and where it is known.

    Both are (B, 1, *patch) for labels, (B, K, *patch) for regions.
    """
    if target.regions is None:
        merged, labels = merge_logits(logits, target), merge_labels(target)
        costs = functional.cross_entropy(merged, labels, ignore_index=IGNORED, reduction="none")
        return costs.unsqueeze(1), (labels != IGNORED).unsqueeze(1)
    truth = draw_truth(target, logits.shape[1])
    known = find_known(target).expand_as(truth)
    costs = functional.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), reduction="none")
    return costs * known, known


def _weigh(
    target: Target, known: Tensor, weights: Sequence[float] | Literal["inverse_frequency"], n_outputs: int
) -> Tensor:
    """The weight of every voxel, of regions per channel, as (B, 1 or K, *patch); 0 where not known."""
    kinds = _number_kinds(target, known)
    if weights == "inverse_frequency":
        n_kinds = n_outputs if target.regions is None else 2 * n_outputs
        counts = gather_sum(torch.bincount(kinds[known], minlength=n_kinds)).float()
        groups = counts.view(1, -1) if target.regions is None else counts.view(-1, 2)
        shares = groups / groups.sum(1, keepdim=True).clamp(min=1)
        table = 1 / shares.clamp(min=LEAST_SHARE).flatten()
    else:
        table = torch.tensor(_require_weights(weights, n_outputs), device=known.device)
        kinds = kinds if target.regions is None else kinds // 2
    return table[kinds] * known


def _number_kinds(target: Target, known: Tensor) -> Tensor:
    """What each voxel is: its label; of regions 2 k outside of region k and 2 k + 1 inside."""
    if target.regions is None:
        return merge_labels(target).clamp(min=0).unsqueeze(1)
    truth = draw_truth(target, known.shape[1])
    channels = torch.arange(known.shape[1], device=known.device)
    return 2 * channels.view(1, -1, *[1] * (known.ndim - 2)) + truth.long()


def _require_weights(weights: object, n_outputs: int) -> list[float]:
    """The weights of a plan as a list of the right length. Raises PlanError."""
    if isinstance(weights, list | tuple) and len(weights) == n_outputs:
        listed = [float(weight) for weight in weights if isinstance(weight, int | float) and 0 <= weight < math.inf]
        if len(listed) == n_outputs:
            return listed
    raise PlanError(
        f"loss.parameters.weighted_cross_entropy: weights is {weights}, but must be inverse_frequency or a list of "
        f"{n_outputs} numbers, none negative: one per output of the network."
    )


def _divide(total: Tensor, n: Tensor) -> Tensor:
    """A mean over all processes, 0 of nothing."""
    n = gather_sum(n)
    return gather_sum(total) / torch.where(n > 0, n, 1)
