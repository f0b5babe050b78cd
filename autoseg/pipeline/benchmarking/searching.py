"""Which learning rate suits a method? A few short trainings say so, on training cases alone.

Every method gets the same trials with the same share of the budget. They train on an inner part of the fold's training
cases and are scored on others of them: the validation cases, which the comparison is about, are never looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from autoseg.data.splits import Split, decide_splits
from autoseg.errors import AutosegError, NumericalError, UsageError
from autoseg.evaluation.benchmark import RunResult
from autoseg.pipeline.benchmarking.measuring import choose_evenly
from autoseg.serialization import Record, parse_record, read_json, write_json
from autoseg.workspace import Run

MAX_SCORED = 8  # cases that a trial is scored on: it chooses between rates a factor of three apart
N_INNER_FOLDS = 5

TryRate = Callable[[float, Split], float]


class Trials(Record):
    """Mean Dice by learning rate as written, NaN where the training failed, and the best rate."""

    dice: dict[str, float | None]
    chosen: float


def split_inside(splits: Sequence[Split], fold: int, group_of: Mapping[str, str] | None = None) -> Split:
    """Training cases of a fold, divided once more.

    The next folds' validation cases that train here are held out, so that groups that the splits keep together stay
    together; where that would leave none to train, the training cases are dealt anew.

    Args:
        group_of: the group of each case, which is not divided either; nothing where each stands for itself.

    Raises:
        UsageError: the fold trains on a single case.
        DatasetError: all training cases are of one group.
    """
    train = splits[fold].train
    if len(train) < 2:
        raise UsageError(f"Fold {fold} trains on {len(train)} case, so that none can be held out to search a rate.")
    held_out = set(splits[(fold + 1) % len(splits)].validation) & set(train)
    if not 0 < len(held_out) < len(train):
        groups = {case_id: group_of[case_id] for case_id in train} if group_of else None
        held_out = set(decide_splits(train, min(N_INNER_FOLDS, len(train)), group_of=groups).splits[0].validation)
    return Split(
        train=tuple(case_id for case_id in train if case_id not in held_out),
        validation=tuple(sorted(choose_evenly(sorted(held_out), MAX_SCORED))),
    )


def search_rate(run: Run, rates: Sequence[float], inner: Split, base: float, try_rate: TryRate) -> Trials:
    """Try every rate; trials of the same rates that were finished before are read.

    Args:
        run: where the outcome is kept.
        rates: to be tried.
        inner: cases of the trials.
        base: the plan's rate, which wins among equals by being nearest.
        try_rate: trains with a rate and returns the mean Dice on the inner validation cases.

    Raises:
        NumericalError: no rate led anywhere.
    """
    path = run.root / "trials" / "trials.json"
    known = _read_trials(path)
    if known is not None and set(known.dice) == {f"{rate:g}" for rate in rates}:
        return known
    dice = {rate: _try(try_rate, rate, inner) for rate in rates}
    trials = Trials(dice={f"{rate:g}": score for rate, score in dice.items()}, chosen=choose_rate(dice, base))
    write_json(path, trials)
    return trials


def _read_trials(path: Path) -> Trials | None:
    """What was tried before; None for nothing that can be read."""
    try:
        return parse_record(Trials, read_json(path), where=str(path)) if path.is_file() else None
    except AutosegError:
        return None


def _try(try_rate: TryRate, rate: float, inner: Split) -> float | None:
    try:
        score = try_rate(rate, inner)
    except NumericalError:
        return None  # a rate that is too high, which is what is asked for here
    return None if math.isnan(score) else score


def choose_rate(dice: Mapping[float, float | None], base: float) -> float:
    """The rate with the best Dice; among equals the one nearest to `base`. Raises NumericalError if all failed."""
    scored = {rate: score for rate, score in dice.items() if score is not None}
    if not scored:
        raise NumericalError(f"No learning rate led anywhere: tried {', '.join(f'{rate:g}' for rate in dice)}.")
    return max(scored, key=lambda rate: (scored[rate], -abs(math.log(rate / base))))


def phrase_edges(runs: Sequence[RunResult]) -> str:
    """Which runs trained with the smallest or the largest rate that was tried, where a better one may lie beyond."""
    at_edge = [f"{run.learning_rate:g} in fold {run.fold}, seed {run.seed}" for run in runs if _is_at_edge(run)]
    if not at_edge:
        return ""
    return (
        f"the best was the smallest or the largest that was tried ({'; '.join(at_edge)}): a better one may lie beyond"
    )


def _is_at_edge(run: RunResult) -> bool:
    rates = [float(rate) for rate in run.trials]
    return bool(rates) and run.learning_rate in (min(rates), max(rates))
