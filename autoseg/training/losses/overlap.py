"""How much do prediction and truth overlap? Terms of three sums per channel, 1 at worst and 0 at best.

With p the probability of a channel and g its truth, 0 or 1: the overlap sum(p g), sum(p) and sum(g). They run over the
voxels of a sample, or over the whole batch, of all processes, with `batch_dice`; a term is one minus the mean of the
channels that are annotated. An empty channel of an empty prediction scores 1, for its sums are smoothed.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from autoseg.errors import PlanError
from autoseg.training.distributing import gather_sum
from autoseg.training.losses.target import Channels, Target, compare_channels

SMOOTH = 1e-5  # keeps the Dice of an empty label defined; published value

Score = Callable[[Tensor, Tensor, Tensor], Tensor]


def soft_dice(logits: Tensor, target: Target, *, batch_dice: bool = False, smooth: float = SMOOTH) -> Tensor:
    """Soft Dice (Milletari et al., arXiv 1606.04797): (2 sum(p g) + s) / (sum(p) + sum(g) + s).

    Args:
        logits: (B, K, *patch).
        target: of the same batch.
        batch_dice: whether sums run over the batch; the plan's decision unless a plan's loss.parameters say otherwise.
        smooth: s.
    """

    def score(overlap: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
        return (2 * overlap + smooth) / (predicted + true + smooth)

    return _average(score, compare_channels(logits, target), pooled=batch_dice)


def batch_dice(logits: Tensor, target: Target, *, smooth: float = SMOOTH) -> Tensor:
    """Soft Dice whose sums run over the whole batch, whatever the plan's `batch_dice` is."""
    return soft_dice(logits, target, batch_dice=True, smooth=smooth)


def tversky(
    logits: Tensor,
    target: Target,
    *,
    batch_dice: bool = False,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = SMOOTH,
) -> Tensor:
    """Tversky index (Salehi et al., arXiv 1706.05721): overlap / (overlap + a sum(p (1 - g)) + b sum((1 - p) g)).

    With a = alpha and b = beta of 0.5 it is Dice; a larger beta finds more and is wrong more often. The defaults are
    the paper's best.
    """
    if not (alpha >= 0 and beta >= 0 and alpha + beta > 0):
        raise PlanError(
            f"loss.parameters.tversky: alpha is {alpha} and beta {beta}, but neither may be negative, nor both 0."
        )

    def score(overlap: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
        misses = alpha * (predicted - overlap) + beta * (true - overlap)
        return (overlap + smooth) / (overlap + misses + smooth)

    return _average(score, compare_channels(logits, target), pooled=batch_dice)


def jaccard(logits: Tensor, target: Target, *, batch_dice: bool = False, smooth: float = SMOOTH) -> Tensor:
    """Soft Jaccard index: overlap / (sum(p) + sum(g) - overlap) (Rahman and Wang, ISVC 2016)."""

    def score(overlap: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
        return (overlap + smooth) / (predicted + true - overlap + smooth)

    return _average(score, compare_channels(logits, target), pooled=batch_dice)


def _average(score: Score, channels: Channels, *, pooled: bool) -> Tensor:
    """One minus the mean score of annotated channels; 0 where there are none."""
    probabilities, truth, _, counted = channels
    axes = [0, *range(2, truth.ndim)] if pooled else list(range(2, truth.ndim))
    sums = (probabilities * truth).sum(axes), probabilities.sum(axes), truth.sum(axes)
    if pooled:
        scores = score(*map(gather_sum, sums))
        is_met = gather_sum(counted.sum(0)) > 0
        total, n = (scores * is_met).sum(), is_met.sum()
    else:
        total, n = gather_sum((score(*sums) * counted).sum()), gather_sum(counted.sum())
    return n.clamp(max=1) - total / n.clamp(min=1)
