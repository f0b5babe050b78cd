"""How do named terms become one number to minimise?

As a weighted sum, on every level of deep supervision. Source: Isensee et al., Nature Methods 2021. `TERMS` is open: a
function and a name make a new term known to plans. A dotted path takes a person's own, without either.
"""

from __future__ import annotations

import inspect
import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from autoseg.components import check_parameters, find_component, is_dotted
from autoseg.errors import PlanError
from autoseg.planning.choices import Loss
from autoseg.serialization import did_you_mean
from autoseg.training.distributing import gather_sum
from autoseg.training.losses.boundary import boundary, hausdorff
from autoseg.training.losses.overlap import batch_dice as pooled_dice
from autoseg.training.losses.overlap import jaccard, soft_dice, tversky
from autoseg.training.losses.target import Target, shrink_target
from autoseg.training.losses.voxelwise import cross_entropy, focal, top_k, weighted_cross_entropy

LEVEL_DECAY = 0.5  # each coarser level weighs half of the one above

Term = Callable[[Tensor, Target], Tensor]

TERMS: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "weighted_cross_entropy": weighted_cross_entropy,
    "focal": focal,
    "top_k": top_k,
    "soft_dice": soft_dice,
    "batch_dice": pooled_dice,
    "tversky": tversky,
    "jaccard": jaccard,
    "boundary": boundary,
    "hausdorff": hausdorff,
}


def find_terms(loss: Loss, *, batch_dice: bool) -> dict[str, Term]:
    """The terms that a plan names, ready with their parameters.

    A known term is a function `(logits, target, *, ...)`; one with a parameter `batch_dice` gets the plan's decision. A
    person's own is a function `(logits, target, **parameters)`, or a class that is made with the parameters, once, and
    called with `(logits, target)`: float32 logits (B, K, *patch) and a `Target`, of which most need the `labels` alone.
    It returns the mean over the samples that it is given, as a scalar tensor; processes weigh theirs by their number.

    Raises:
        PlanError: a term or a parameter that is not known, or parameters of a term that the loss does not have.
    """
    for name in loss.parameters:
        if name not in loss.terms:
            raise PlanError(f"loss.parameters: {name} is none of the loss's terms.{did_you_mean(name, loss.terms)}")
    return {name: _make_term(name, _write_down(name, loss.parameters.get(name, {})), batch_dice) for name in loss.terms}


def _write_down(name: str, parameters: Mapping[str, Any]) -> str:
    try:
        return json.dumps(parameters, sort_keys=True)
    except TypeError:
        raise PlanError(f"loss.parameters.{name}: holds what a plan file cannot: {parameters}.") from None


@lru_cache
def _make_term(name: str, parameters: str, batch_dice: bool) -> Term:
    """A term with its parameters, which are JSON."""
    where, given = f"loss.parameters.{name}", json.loads(parameters)
    if is_dotted(name):
        return _make_own_term(name, given, where)
    if name not in TERMS:
        raise PlanError(f"loss.terms: {name} is not known.{did_you_mean(name, TERMS)}")
    check_parameters(TERMS[name], given, where=where, n_leading=2)
    if "batch_dice" in inspect.signature(TERMS[name]).parameters:
        given = {"batch_dice": batch_dice, **given}
    return partial(TERMS[name], **given)


def _make_own_term(path: str, parameters: dict[str, Any], where: str) -> Term:
    component = find_component(path, where="loss.terms")
    is_class = inspect.isclass(component)
    check_parameters(component, parameters, where=where, n_leading=0 if is_class else 2)
    term = component(**parameters) if is_class else partial(component, **parameters)

    def weigh(logits: Tensor, target: Target) -> Tensor:
        try:
            value = term(logits, target)
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as problem:
            raise PlanError(f"loss.terms: {path}: {_describe_failure(problem)}") from problem
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise PlanError(f"loss.terms: {path}: returned {_describe(value)}, but a term is one number, as a tensor.")
        n = torch.tensor(float(len(logits)), device=logits.device)
        return gather_sum(value.reshape(()) * n / gather_sum(n))

    return weigh


def _describe_failure(problem: Exception) -> str:
    """What a person's own code raised, and the line of it that did."""
    last = traceback.extract_tb(problem.__traceback__)[-1]
    first = (str(problem).splitlines() or [""])[0]
    return f"failed with {type(problem).__name__}: {first} ({last.filename}, line {last.lineno})."


def _describe(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)[:80]


def level_weights(n_levels: int) -> list[float]:
    """Weights of deep supervision, finest first: 1, 1/2, 1/4, ..., normalised to sum 1."""
    weights = [LEVEL_DECAY**level for level in range(n_levels)]
    return [weight / sum(weights) for weight in weights]


def compute_loss(
    levels: Tensor | Sequence[Tensor], target: Target, loss: Loss, *, batch_dice: bool
) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch, of all processes together.

    Args:
        levels: logits (B, K, *patch), or a list of logits from fine to coarse.
        target: of the finest level.
        loss: terms, weights and parameters of the plan.
        batch_dice: whether terms of overlap sum over the batch.

    Returns:
        The scalar to minimise, and each term's value on the finest level.

    Raises:
        PlanError: as `find_terms` does.
    """
    levels = [levels] if isinstance(levels, Tensor) else list(levels)
    terms = find_terms(loss, batch_dice=batch_dice)
    total = torch.zeros((), device=target.labels.device)
    shown: dict[str, float] = {}
    for logits, level_weight in zip(levels, level_weights(len(levels)), strict=True):
        level_target = shrink_target(target, logits.shape[2:])
        for name, term in terms.items():
            value = term(logits.float(), level_target)
            shown.setdefault(name, float(value.detach()))
            total = total + level_weight * loss.terms[name] * value
    return total, shown
