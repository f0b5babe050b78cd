"""How does the learning rate run over a training?

As a function of the share that is spent, from 0 to 1, of iterations or of wall-clock time, so that a run always ends
annealed, whatever its length was and however often it was interrupted. A training that is extended follows the
schedule of the longer one, from the share on that is spent by then. Sources: polynomial decay as in Isensee et al.
2021; cosine as in Loshchilov and Hutter, arXiv 1608.03983.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from autoseg.components import find_component, is_dotted
from autoseg.errors import PlanError
from autoseg.planning.choices import Optimizer
from autoseg.serialization import did_you_mean

POLYNOMIAL_EXPONENT = 0.9

Schedule = Callable[[float], float]


def polynomial(share: float) -> float:
    """(1 - share)^0.9."""
    return float((1 - share) ** POLYNOMIAL_EXPONENT)


def cosine(share: float) -> float:
    """Half a cosine, from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * share))


def constant(share: float) -> float:
    """1 throughout."""
    return 1.0


SCHEDULES: dict[str, Schedule] = {"polynomial": polynomial, "cosine": cosine, "constant": constant}


def find_schedule(name: str) -> Schedule:
    """The function of the share spent after warm-up, from 0 to 1, that the learning rate is multiplied by.

    It has a known name, or is a person's own by dotted path.

    Raises:
        PlanError: the name is not known, or there is nothing at the path.
    """
    if is_dotted(name):
        own: Schedule = find_component(name, where="optimizer.schedule")
        return own
    if name not in SCHEDULES:
        raise PlanError(f"optimizer.schedule: {name} is not known.{did_you_mean(name, SCHEDULES)}")
    return SCHEDULES[name]


def learning_rate_at(share: float, optimizer: Optimizer) -> float:
    """The learning rate when `share` of the training is spent: linear warm-up, then the schedule.

    Raises:
        PlanError: the schedule is not known, or does not give a finite factor that is at least 0.
    """
    schedule = find_schedule(optimizer.schedule)
    share = min(max(share, 0.0), 1.0)
    if share < optimizer.warmup_share:
        return optimizer.learning_rate * max(share / optimizer.warmup_share, 0.01)
    rest = (share - optimizer.warmup_share) / (1 - optimizer.warmup_share)
    return optimizer.learning_rate * _require_factor(schedule(rest), optimizer.schedule, rest)


def _require_factor(factor: object, name: str, share: float) -> float:
    if isinstance(factor, int | float) and 0 <= factor < math.inf:
        return float(factor)
    raise PlanError(f"optimizer.schedule: {name} is {factor!r} at {share:.3g}, but must be a finite number from 0 on.")
