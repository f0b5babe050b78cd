"""What does a comparison of methods consist of, as a file keeps it?

A `Benchmark` holds what was equal for all, every method with all of its runs, and what the cases can tell apart. It is
the one thing that tables, pages and statistics are made of.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from autoseg.evaluation.comparing import Comparison
from autoseg.evaluation.ranking import Ranking
from autoseg.evaluation.report import Report, Score
from autoseg.serialization import Record

Kind = Literal["network", "floor", "predictions"]


class CurvePoint(Record):
    """Mean Dice of validation patches after so many seconds and iterations of training."""

    spent_s: float
    n_iterations: int
    dice: Score


class Costs(Record):
    """What a method costs; NaN where it was not or cannot be measured. GB are 2**30 bytes.

    Attributes:
        n_parameters: learned values; NaN where the network could not be looked into.
        flops_per_patch: floating point operations of one forward pass of one patch; a multiply-add counts two.
        flops_per_case: of predicting a case: mean over the validation cases, windows and mirrorings included.
        s_per_iteration: of training, mean over runs; the first iteration of a sitting, which compiles, is left out.
        training_memory_gb: highest peak of a run: of its process on a CPU, of the allocator on a GPU.
        prediction_memory_gb: the same while up to three cases of each fold were predicted, the largest one included; on
            a CPU with what the training of the same process left behind.
        s_per_case: of prediction, reading and restoring included: mean over these same cases, not over all.
        joules: of training, mean over runs, where the machine tells and a run had it to itself; NaN for several side by
            side, whose energy nobody can tell apart.
    """

    n_parameters: int | Score
    flops_per_patch: Score
    flops_per_case: Score
    s_per_iteration: Score
    training_memory_gb: Score
    prediction_memory_gb: Score
    s_per_case: Score
    joules: Score


class RunResult(Record):
    """One training of a method: a fold and a seed. Of outside predictions and floors, a fold.

    Attributes:
        fold, seed: which.
        folder: where the run lies, relative to the benchmark's folder; empty for outside predictions.
        n_iterations, spent_s: of training.
        learning_rate: that was used; None where nothing learns by one.
        trials: mean Dice on held-out training cases by learning rate, where it was searched.
        curve: Dice against time.
        report: scores of the fold's validation cases.
    """

    fold: int
    seed: int
    folder: str = ""
    n_iterations: int = 0
    spent_s: float = 0.0
    learning_rate: float | None = None
    trials: dict[str, Score] = {}
    curve: tuple[CurvePoint, ...] = ()
    report: Report


class MethodResult(Record):
    """One method.

    Attributes:
        name: as it was asked for, or the name of outside predictions.
        kind: a network that was trained here, a floor (a reference that hardly learns), or predictions from elsewhere.
        source: the paper that the method follows, or the folder of the predictions.
        failure: why there is no result, in one line; None where there is one.
        configuration: the exact settings as the plan has them, empty for predictions.
        differs: settings in which it differs from the others, by key, in words.
        runs: every fold and seed that was finished.
        pooled: every case once, the mean over seeds, a miss if it is one for any; None for a failure.
        seed_spread: standard deviation of the mean Dice over seeds; NaN for a single one.
        costs: None where nothing was trained here.
    """

    name: str
    kind: Kind
    source: str = ""
    failure: str | None = None
    configuration: dict[str, Any] = {}
    differs: dict[str, str] = {}
    runs: tuple[RunResult, ...] = ()
    pooled: Report | None = None
    seed_spread: Score = float("nan")
    costs: Costs | None = None

    @property
    def mean_dice(self) -> float:
        """Mean foreground Dice, NaN for a failure."""
        return float("nan") if self.pooled is None else self.pooled.mean_dice


class Benchmark(Record):
    """The result of a comparison.

    Attributes:
        autoseg_benchmark: version of this format.
        dataset: its name.
        configuration: of the plan that all follow, e.g. `3d_fullres`.
        folds, seeds: that every method was trained with.
        budget: of each training, in words: `60 s of training`, `500 iterations`, `2e13 floating point operations`.
        learning_rate: how it was chosen, in words.
        equal: what was equal for all, one sentence each: splits, patches, augmentation, loss, evaluation.
        machine: device, cores, threads, versions, by name.
        command: that reproduces it.
        date: day on which it ended, ISO 8601.
        fold_of: the fold that held each case out.
        methods: in the order in which they were asked for.
        comparisons: every pair of methods that have results.
        ranking: of these methods, None for fewer than two.
        smallest_difference: difference in mean Dice that these cases would probably show (power 80%), in words.
    """

    autoseg_benchmark: int = 1
    dataset: str
    configuration: str
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    budget: str
    learning_rate: str
    equal: tuple[str, ...]
    machine: dict[str, str]
    command: str
    date: str
    fold_of: dict[str, int]
    methods: tuple[MethodResult, ...]
    comparisons: tuple[Comparison, ...] = ()
    ranking: Ranking | None = None
    smallest_difference: str = ""

    @property
    def scored(self) -> tuple[MethodResult, ...]:
        """Methods with results, best first; those last whose mean Dice is counted nowhere."""
        scored = [method for method in self.methods if method.pooled is not None]
        return tuple(sorted(scored, key=lambda method: (math.isnan(method.mean_dice), -method.mean_dice)))
