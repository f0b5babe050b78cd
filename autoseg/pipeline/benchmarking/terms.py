"""On which terms are methods compared? Everything that a person can ask for beside the methods themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from autoseg.data.splits import ALL
from autoseg.errors import UsageError
from autoseg.planning.blueprint import ITERATIONS_PER_EPOCH
from autoseg.planning.choices import Length
from autoseg.serialization import did_you_mean

FORWARD_AND_BACKWARD = 3  # a training step costs three forward passes: one forward, two backward (Kaplan et al. 2020)
CURVE_POINTS = 10  # of a training that counts iterations: looks at the validation patches
LEAST_PER_EPOCH = 10  # iterations between two looks, which cost about as much as eight iterations' forward passes
RATES = ("fixed", "search")
TOLERANCE = 1e-9  # of a quotient that is a whole number but for rounding

LearningRate = float | Literal["fixed", "search"]


@dataclass(frozen=True)
class TrainingBudget:
    """What each training may spend.

    Attributes:
        kind: seconds of wall clock, iterations, or floating point operations.
        amount: of it.
    """

    kind: Literal["time", "iterations", "flops"]
    amount: float

    @property
    def words(self) -> str:
        """The budget as a reader sees it."""
        if self.kind == "time":
            return f"{self.amount:g} s of training"
        if self.kind == "iterations":
            return f"{self.amount:,.0f} iterations"
        return f"{self.amount:.3g} floating point operations"

    def find_length(self, *, flops_per_patch: float, batch_size: int) -> Length:
        """What it buys a method, and no more.

        Args:
            flops_per_patch: of one forward pass; only a budget of operations asks for it.
            batch_size: patches of an iteration.

        Raises:
            UsageError: the operations of the method are not known, or one iteration takes more than there are.
        """
        if self.kind == "time":
            return Length(train_time_s=self.amount)
        return _iterate(self._count_iterations(flops_per_patch, batch_size))

    def divide(
        self, *, flops_per_patch: float, batch_size: int, n_trials: int, trial_share: float
    ) -> tuple[Length, Length]:
        """What it buys a method that tries learning rates first: the length of its training, and of each trial.

        The trials and the training together are the budget, to the iteration.

        Args:
            flops_per_patch, batch_size: as of `find_length`.
            n_trials: of learning rates.
            trial_share: of the budget, for each of them.

        Raises:
            UsageError: as of `find_length`, or a trial would have no iteration.
        """
        if self.kind == "time":
            trial_s = self.amount * trial_share
            return Length(train_time_s=self.amount - n_trials * trial_s), Length(train_time_s=trial_s)
        n_iterations = self._count_iterations(flops_per_patch, batch_size)
        n_tried = math.floor(n_iterations * trial_share + TOLERANCE)
        if n_tried < 1:
            raise UsageError(
                f"A budget of {self.words} buys {n_iterations} iterations of it, and {trial_share:.0%} of them for a "
                f"trial are none. Search with a larger one ({math.ceil(1 / trial_share)} iterations at least), or with "
                "--learning-rate fixed."
            )
        return _iterate(n_iterations - n_trials * n_tried), _iterate(n_tried)

    def _count_iterations(self, flops_per_patch: float, batch_size: int) -> int:
        if self.kind != "flops":
            return round(self.amount)
        if math.isnan(flops_per_patch):
            raise UsageError("Its floating point operations cannot be counted, so that --flops says nothing of it.")
        flops = FORWARD_AND_BACKWARD * flops_per_patch * batch_size
        if flops > self.amount * (1 + TOLERANCE):
            raise UsageError(
                f"One iteration of it takes {flops:.3g} floating point operations, more than the whole budget of "
                f"{self.amount:.3g}. Give more with --flops."
            )
        return math.floor(self.amount / flops + TOLERANCE)


def _iterate(n_iterations: int) -> Length:
    per_epoch = max(LEAST_PER_EPOCH, math.ceil(n_iterations / CURVE_POINTS))
    return Length(n_iterations=n_iterations, iterations_per_epoch=min(per_epoch, ITERATIONS_PER_EPOCH))


@dataclass(frozen=True)
class Terms:
    """What holds for all methods.

    Attributes:
        budget: of each training, what a search for the learning rate spends included.
        configuration: of the plan; None is its first choice.
        folds: numbers, as a person wrote them.
        seeds: of weights and batches.
        learning_rate: `fixed` as the plan has it, `search`, or a number for all.
        device: where networks train.
        n_jobs: runs side by side.
        restart: move earlier runs aside.
    """

    budget: TrainingBudget
    configuration: str | None = None
    folds: tuple[str, ...] = ("0",)
    seeds: tuple[int, ...] = (0,)
    learning_rate: LearningRate = "fixed"
    device: str = "auto"
    n_jobs: int = 1
    restart: bool = False


def settle_terms(
    *, train_time_s: float | None = None, n_iterations: int | None = None, flops: float | None = None, **others: Any
) -> Terms:
    """Terms with a budget out of three options; the others are those of `Terms`.

    Raises:
        UsageError: there is not one budget, or a fold validates nothing.
    """
    terms = Terms(budget=choose_budget(train_time_s=train_time_s, n_iterations=n_iterations, flops=flops), **others)
    refuse_unscored_folds(terms.folds)
    return terms


def refuse_unscored_folds(folds: tuple[str, ...]) -> None:
    """Raise UsageError for a fold that validates nothing."""
    if ALL in folds:
        raise UsageError("--fold all: validates no case, so that methods cannot be compared. Leave it out.")


def choose_budget(
    *, train_time_s: float | None = None, n_iterations: int | None = None, flops: float | None = None
) -> TrainingBudget:
    """The budget out of three options. Raises UsageError unless exactly one is given, and is more than 0."""
    given = [
        TrainingBudget("time", train_time_s) if train_time_s is not None else None,
        TrainingBudget("iterations", n_iterations) if n_iterations is not None else None,
        TrainingBudget("flops", flops) if flops is not None else None,
    ]
    budgets = [budget for budget in given if budget is not None]
    if len(budgets) != 1:
        raise UsageError(
            "A comparison needs one budget that is equal for all: give exactly one of --train-time, --iterations and "
            f"--flops, not {len(budgets) or 'none'}."
        )
    if not 0 < budgets[0].amount < math.inf:
        raise UsageError(f"The budget is {budgets[0].words}, but must be more than none.")
    return budgets[0]


def parse_learning_rate(text: str) -> LearningRate:
    """`fixed`, `search`, or a number above 0. Raises UsageError for anything else."""
    word = text.strip().lower()
    if word == "fixed":
        return "fixed"
    if word == "search":
        return "search"
    try:
        rate = float(word)
    except ValueError:
        raise UsageError(f"--learning-rate {text}: expected a number.{did_you_mean(word, RATES)}") from None
    if not 0 < rate < math.inf:
        raise UsageError(f"--learning-rate {text}: must be more than 0.")
    return rate


def choose_seeds(*, n_seeds: int | None, seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Seeds that were named, or 0, 1, ... as many as were asked for. Raises UsageError for both, or one twice."""
    if seeds and n_seeds is not None:
        raise UsageError("--seeds counts them from 0, --seed names one. Use one of them.")
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"--seed: {', '.join(map(str, seeds))} names one twice, which would repeat the same run.")
    return seeds or tuple(range(n_seeds or 1))
