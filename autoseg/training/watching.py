"""What is told of a training while it runs, and whom it asks?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from autoseg.training.history import Epoch


@dataclass(frozen=True)
class Step:
    """What one iteration showed, for a progress bar.

    Attributes:
        iteration, share, spent_s: of the training so far.
        loss, terms, learning_rate: of this iteration.
        iteration_s, waiting_share: mean seconds of the epoch's iterations, and the share of them spent waiting.
        memory_gb: peak so far.
        problem: what was not finite, so that the iteration changed nothing.
    """

    iteration: int
    share: float
    spent_s: float
    loss: float
    terms: dict[str, float]
    learning_rate: float
    iteration_s: float
    waiting_share: float
    memory_gb: float
    problem: str | None = None


def ignore(shown: object) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Watching:
    """Who is told, and who looks at whole cases.

    Attributes:
        on_step: called after every iteration.
        on_epoch: called after every epoch, when its history line and state are on disk.
        on_note: told what a person should know of how the training began.
        score_cases: mean Dice of a network over the whole validation cases, for early stopping; None where there is
            nobody to ask.
    """

    on_step: Callable[[Step], None] = ignore
    on_epoch: Callable[[Epoch], None] = ignore
    on_note: Callable[[str], None] = ignore
    score_cases: Callable[[nn.Module], float | None] | None = None


UNWATCHED = Watching()
