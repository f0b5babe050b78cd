"""How long training lasts, and how the learning rate runs over it.

Everything is a function of the share that is spent, from 0 to 1, of iterations or of wall-clock time, so that a run
always ends annealed, whatever its length was and however often it was interrupted. Sources: polynomial decay as in
Isensee et al. 2021; cosine as in Loshchilov and Hutter, arXiv 1608.03983.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from autoseg.errors import PlanError
from autoseg.planning.blueprint import ITERATIONS_PER_EPOCH
from autoseg.planning.choices import Length, Optimizer
from autoseg.serialization import did_you_mean

POLYNOMIAL_EXPONENT = 0.9
EPOCH_S = 20.0  # an epoch of a time budget: often enough to watch and to resume, rare enough to cost little
MIN_EPOCHS, MAX_EPOCHS = 3, 40  # of a time budget, however short or long it is


def polynomial(share: float) -> float:
    """(1 - share)^0.9."""
    return float((1 - share) ** POLYNOMIAL_EXPONENT)


def cosine(share: float) -> float:
    """Half a cosine, from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * share))


def constant(share: float) -> float:
    """1 throughout."""
    return 1.0


SCHEDULES: dict[str, Callable[[float], float]] = {"polynomial": polynomial, "cosine": cosine, "constant": constant}


def learning_rate_at(share: float, optimizer: Optimizer) -> float:
    """The learning rate when `share` of the training is spent: linear warm-up, then the schedule.

    Raises:
        PlanError: the schedule is not known.
    """
    if optimizer.schedule not in SCHEDULES:
        raise PlanError(
            f"optimizer.schedule: {optimizer.schedule} is not known.{did_you_mean(optimizer.schedule, SCHEDULES)}"
        )
    share = min(max(share, 0.0), 1.0)
    if share < optimizer.warmup_share:
        return optimizer.learning_rate * max(share / optimizer.warmup_share, 0.01)
    rest = (share - optimizer.warmup_share) / (1 - optimizer.warmup_share)
    return optimizer.learning_rate * SCHEDULES[optimizer.schedule](rest)


def share_spent(length: Length, *, iteration: int, spent_s: float) -> float:
    """How much of the training is over, from 0 to 1 and no further."""
    if length.train_time_s is not None:
        return min(spent_s / length.train_time_s, 1.0)
    return min(iteration / (length.n_iterations or 1), 1.0)


def count_epochs(length: Length) -> int:
    """Epochs in the whole training; an epoch ends with a validation, a line of history and a saved state."""
    if length.train_time_s is not None:
        return round(min(max(length.train_time_s / EPOCH_S, MIN_EPOCHS), MAX_EPOCHS))
    return math.ceil((length.n_iterations or 1) / (length.iterations_per_epoch or ITERATIONS_PER_EPOCH))


def is_epoch_over(length: Length, epoch: int, *, iteration: int, spent_s: float) -> bool:
    """Whether epoch 0, 1, ... has had its share of the training."""
    if length.train_time_s is not None:
        return spent_s >= length.train_time_s * (epoch + 1) / count_epochs(length)
    per_epoch = length.iterations_per_epoch or ITERATIONS_PER_EPOCH
    return iteration >= min((epoch + 1) * per_epoch, length.n_iterations or 1)
