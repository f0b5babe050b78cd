"""What is one iteration of training? Forward, loss, backward, clipping, update, averaging; or nothing, if the loss is
not finite.

Source: Isensee et al., Nature Methods 2021, with everything variable read from the plan; mixed precision as in
Micikevicius et al., arXiv 1710.03740.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from autoseg.networks.device import find_mixed_type
from autoseg.planning.choices import Loss, Optimizer
from autoseg.training.distributing import count_processes
from autoseg.training.inputs import Inputs
from autoseg.training.losses import compute_loss
from autoseg.training.state import TrainingState, update_average

Forward = Callable[[torch.Tensor], Any]


@dataclass(frozen=True)
class Recipe:
    """What an iteration needs of a plan."""

    loss: Loss
    batch_dice: bool
    optimizer: Optimizer
    precision: str


@dataclass(frozen=True)
class Outcome:
    """What an iteration showed.

    Attributes:
        loss, terms: of the whole batch.
        problem: what was not finite, in words, and nothing was changed; None if all went well.
    """

    loss: float
    terms: dict[str, float]
    problem: str | None = None


def take_step(state: TrainingState, forward: Forward, inputs: Inputs, recipe: Recipe, *, rate: float) -> Outcome:
    """One step of the optimiser with this learning rate.

    Args:
        state: is changed, unless the loss or its gradient is not finite; the iteration counts in any case.
        forward: `state.network`, or what computes the same faster or on several processes.
    """
    state.iteration += 1
    outcome = descend(state, forward, inputs, recipe)
    if outcome.problem is None:
        problem = renew(state, recipe, rate=rate)
        outcome = Outcome(outcome.loss, outcome.terms, problem)
    return outcome


def descend(state: TrainingState, forward: Forward, inputs: Inputs, recipe: Recipe) -> Outcome:
    """Loss and gradients of a batch; no gradients where the loss is not finite."""
    state.network.train()
    narrow = find_mixed_type(recipe.precision, inputs.image.device)
    with torch.autocast(inputs.image.device.type, narrow or torch.bfloat16, enabled=narrow is not None):
        levels = forward(inputs.image)
    loss, terms = compute_loss(levels, inputs.target, recipe.loss, batch_dice=recipe.batch_dice)
    shown = float(loss.detach())
    state.optimizer.zero_grad(set_to_none=True)
    if not math.isfinite(shown):
        to_blame = ", ".join(name for name, value in terms.items() if not math.isfinite(value))
        return Outcome(shown, terms, f"loss is {shown} ({to_blame or 'a coarser level'})")
    scaled: torch.Tensor = state.scaler.scale(loss * count_processes())
    scaled.backward()  # type: ignore[no-untyped-call]
    return Outcome(shown, terms)


def renew(state: TrainingState, recipe: Recipe, *, rate: float) -> str | None:
    """Update weights and their average. Returns what was not finite, None if all went well.

    With float16 a gradient that overflows is no problem: the scale of the loss is lowered, as it should be.
    """
    settings = recipe.optimizer
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.scaler.unscale_(state.optimizer)
    largest = math.inf if settings.gradient_clip_norm is None else settings.gradient_clip_norm
    norm = float(torch.nn.utils.clip_grad_norm_(state.network.parameters(), largest))
    if not math.isfinite(norm) and not state.scaler.is_enabled():
        state.optimizer.zero_grad(set_to_none=True)
        return f"norm of the gradient is {norm}"
    state.scaler.step(state.optimizer)
    state.scaler.update()
    if math.isfinite(norm):
        update_average(state, settings.ema_decay)
    return None
