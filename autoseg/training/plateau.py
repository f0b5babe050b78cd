"""May training end before its length is spent? When whole validation cases have stopped getting better.

Their Dice then no longer measures cases that were never looked at: training ended, and its weights were chosen, by it.
"""

from __future__ import annotations

import math

from autoseg.planning.choices import EarlyStopping
from autoseg.planning.plan import Configuration
from autoseg.training.state import TrainingState


def note_check(state: TrainingState, dice: float | None, stopping: EarlyStopping) -> None:
    """Take note of a validation of whole cases, and of the weights if they are the best so far."""
    plateau = state.plateau
    if dice is None or math.isnan(dice):
        return
    gain = math.inf if plateau.best_dice is None else dice - plateau.best_dice
    if gain > 0 and gain >= stopping.min_gain:
        plateau.best_dice, plateau.n_without_gain = dice, 0
        plateau.weights = {name: tensor.detach().clone() for name, tensor in state.average.state_dict().items()}
    else:
        plateau.n_without_gain += 1


def has_plateaued(settings: Configuration, state: TrainingState) -> bool:
    """Whether as many checks in a row as the plan bears with brought no gain."""
    stopping = settings.early_stopping.value
    return stopping is not None and state.plateau.n_without_gain >= stopping.patience
