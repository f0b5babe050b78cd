"""What does a finished run leave, so that the same command does not run it again?"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from autoseg.errors import AutosegError
from autoseg.evaluation.benchmark import CurvePoint, RunResult
from autoseg.evaluation.report import Score
from autoseg.pipeline.benchmarking.circumstances import Circumstances
from autoseg.serialization import Record, parse_record, read_json, write_json
from autoseg.training.history import Epoch
from autoseg.workspace import Run

NOT_MEASURED = float("nan")


class Measured(Record):
    """What a run cost; NaN where it was not measured.

    Attributes:
        s_per_iteration: of training, batches included.
        training_memory_gb, prediction_memory_gb, s_per_case, flops_per_case, joules: as in `Costs`.
    """

    s_per_iteration: Score = NOT_MEASURED
    training_memory_gb: Score = NOT_MEASURED
    prediction_memory_gb: Score = NOT_MEASURED
    s_per_case: Score = NOT_MEASURED
    flops_per_case: Score = NOT_MEASURED
    joules: Score = NOT_MEASURED


class FinishedRun(Record):
    """A run's result and costs; `ended` is the day, ISO 8601. Circumstances are kept where a network was trained."""

    autoseg_run: int = 1
    result: RunResult
    measured: Measured = Measured()
    circumstances: Circumstances | None = None
    ended: str


def write_finished(run: Run, finished: FinishedRun) -> None:
    """Keep a run; the last thing that is done for it."""
    write_json(run.result, finished)


def read_finished(run: Run) -> FinishedRun | None:
    """A run that was kept; None if there is none that can be read, so that it is to be done."""
    if not run.result.is_file():
        return None
    try:
        return parse_record(FinishedRun, read_json(run.result), where=str(run.result))
    except AutosegError:
        return None


def draw_curve(history: tuple[Epoch, ...]) -> tuple[CurvePoint, ...]:
    """Dice of validation patches against time."""
    return tuple(
        CurvePoint(
            spent_s=epoch.spent_s,
            n_iterations=epoch.iteration,
            dice=NOT_MEASURED if epoch.mean_dice is None else epoch.mean_dice,
        )
        for epoch in history
    )


def mean_iteration_s(history: tuple[Epoch, ...]) -> float:
    """Mean seconds of an iteration over a whole training, NaN before its first epoch."""
    ends = [0, *(epoch.iteration for epoch in history)]
    counts = [end - begin for begin, end in pairwise(ends)]
    spent = sum(epoch.iteration_s * n for epoch, n in zip(history, counts, strict=True))
    return spent / sum(counts) if sum(counts) else NOT_MEASURED


def name_folder(path: Path, home: Path) -> str:
    """A run's folder as a result names it, relative to the benchmark's."""
    return path.relative_to(home).as_posix()
