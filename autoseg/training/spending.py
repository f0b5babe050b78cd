"""How much of a training is spent, and when is an epoch over? By iterations, or by the clock.

Everything that runs over a training is a function of the share that is spent, from 0 to 1, so that a run always ends
annealed, whatever its length was and however often it was interrupted.
"""

from __future__ import annotations

import math

from autoseg.errors import UsageError
from autoseg.planning.blueprint import ITERATIONS_PER_EPOCH
from autoseg.planning.choices import Length

EPOCH_S = 20.0  # an epoch of a time budget: often enough to watch and to resume, rare enough to cost little
MIN_EPOCHS, MAX_EPOCHS = 3, 40  # of a time budget, however short or long it is


def share_spent(length: Length, *, iteration: int, spent_s: float) -> float:
    """How much of the training is over, from 0 to 1 and no further."""
    if length.train_time_s is not None:
        return min(spent_s / length.train_time_s, 1.0)
    return min(iteration / (length.n_iterations or 1), 1.0)


def is_epoch_over(length: Length, *, n_iterations: int, spent_s: float, share: float) -> bool:
    """Whether an epoch has had its part of the training, or the training is over.

    Args:
        n_iterations, spent_s: of the epoch so far.
        share: of the training that is spent.
    """
    if length.train_time_s is not None:
        n_epochs = min(max(length.train_time_s / EPOCH_S, MIN_EPOCHS), MAX_EPOCHS)
        return share >= 1 or spent_s >= length.train_time_s / n_epochs
    return share >= 1 or n_iterations >= (length.iterations_per_epoch or ITERATIONS_PER_EPOCH)


def extend_length(length: Length, extra: Length, *, iteration_s: float | None) -> Length:
    """The length of a training that goes on, in the unit that it was begun with.

    Its schedule is that of the longer training from the share on that is spent: the learning rate rises again to what
    it would have been there, and ends annealed once more.

    Args:
        length: so far.
        extra: seconds or iterations to add.
        iteration_s: measured seconds per iteration, for the way from one unit to the other.

    Raises:
        UsageError: the units differ, and no iteration was measured.
    """
    if length.train_time_s is not None and extra.train_time_s is not None:
        return length.model_copy(update={"train_time_s": length.train_time_s + extra.train_time_s})
    if length.n_iterations is not None and extra.n_iterations is not None:
        return length.model_copy(update={"n_iterations": length.n_iterations + extra.n_iterations})
    if not iteration_s:
        raise UsageError(
            "--extend: no finished epoch tells how long an iteration takes. Extend in the unit of the run."
        )
    if length.train_time_s is not None:
        extra_s = (extra.n_iterations or 0) * iteration_s
        return length.model_copy(update={"train_time_s": length.train_time_s + extra_s})
    n_extra = math.ceil((extra.train_time_s or 0.0) / iteration_s)
    return length.model_copy(update={"n_iterations": (length.n_iterations or 0) + n_extra})
