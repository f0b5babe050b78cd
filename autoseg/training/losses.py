"""What training minimises: a weighted sum of named terms, on every level of deep supervision.

Source: soft Dice and cross-entropy as in Isensee et al., Nature Methods 2021. Logits are (batch, label, *patch),
targets (batch, *patch) with labels 0, 1, ... and `IGNORED`; ignored voxels never count. `TERMS` is open: a name and
a function make a new term known to plans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from autoseg.data.labels import IGNORED
from autoseg.errors import PlanError
from autoseg.planning.choices import Loss
from autoseg.serialization import did_you_mean

SMOOTH = 1e-5  # keeps the Dice of an empty label defined; published value
LEVEL_DECAY = 0.5  # each coarser level weighs half of the one above

Term = Callable[[Tensor, Tensor, bool], Tensor]


def cross_entropy(logits: Tensor, target: Tensor, batch_dice: bool) -> Tensor:
    """Mean cross-entropy over supervised voxels; 0 where a batch has none."""
    total = functional.cross_entropy(logits, target, ignore_index=IGNORED, reduction="sum")
    return total / (target != IGNORED).sum().clamp(min=1)


def soft_dice(logits: Tensor, target: Tensor, batch_dice: bool) -> Tensor:
    """One minus the mean soft Dice of the foreground labels (Milletari et al., arXiv 1606.04797).

    Dice = (2 sum(p g) + s) / (sum(p) + sum(g) + s), the sums running over the voxels of a sample, or of the whole batch
    with `batch_dice`.
    """
    n_labels = logits.shape[1]
    supervised = (target != IGNORED).unsqueeze(1)
    probabilities = torch.softmax(logits, dim=1)[:, 1:] * supervised
    foreground = torch.arange(1, n_labels, device=target.device).view(1, -1, *[1] * (target.ndim - 1))
    truth = target.unsqueeze(1) == foreground
    axes = [0, *range(2, logits.ndim)] if batch_dice else list(range(2, logits.ndim))
    overlap = (probabilities * truth).sum(axes)
    total = probabilities.sum(axes) + truth.sum(axes)
    return 1 - ((2 * overlap + SMOOTH) / (total + SMOOTH)).mean()


TERMS: dict[str, Term] = {"cross_entropy": cross_entropy, "soft_dice": soft_dice}


def find_terms(loss: Loss) -> dict[str, Term]:
    """The functions of the terms that a plan names. Raises PlanError for an unknown one."""
    for name in loss.terms:
        if name not in TERMS:
            raise PlanError(f"loss.terms: {name} is not known.{did_you_mean(name, TERMS)}")
    return {name: TERMS[name] for name in loss.terms}


def level_weights(n_levels: int) -> list[float]:
    """Weights of deep supervision, finest first: 1, 1/2, 1/4, ..., normalised to sum 1."""
    weights = [LEVEL_DECAY**level for level in range(n_levels)]
    return [weight / sum(weights) for weight in weights]


def shrink_target(target: Tensor, shape: Sequence[int]) -> Tensor:
    """The target on a coarser grid, by nearest voxel."""
    if tuple(target.shape[1:]) == tuple(shape):
        return target
    shrunk = functional.interpolate(target.unsqueeze(1).float(), size=tuple(shape), mode="nearest-exact")
    return shrunk.squeeze(1).to(target.dtype)


def compute_loss(
    levels: Tensor | Sequence[Tensor], target: Tensor, loss: Loss, *, batch_dice: bool
) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch.

    Args:
        levels: logits, or a list of logits from fine to coarse.
        target: int64 (batch, *patch).
        loss: terms and weights of the plan.
        batch_dice: whether Dice terms sum over the batch.

    Returns:
        The scalar to minimise, and each term's value on the finest level.
    """
    levels = [levels] if isinstance(levels, Tensor) else list(levels)
    terms = find_terms(loss)
    total = target.new_zeros((), dtype=torch.float32)
    shown: dict[str, float] = {}
    for logits, level_weight in zip(levels, level_weights(len(levels)), strict=True):
        level_target = shrink_target(target, logits.shape[2:])
        for name, term in terms.items():
            value = term(logits.float(), level_target, batch_dice)
            shown.setdefault(name, float(value.detach()))
            total = total + level_weight * loss.terms[name] * value
    return total, shown
