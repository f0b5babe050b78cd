"""Which learning rate suits a method? A few short trainings say so, on training cases alone.

Every method gets the same trials with the same share of the budget. They train on an inner part of the fold's training
cases and are scored on others of them: the validation cases, which the comparison is about, are never looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from autoseg.data.splits import Split, decide_splits
from autoseg.errors import NumericalError, UsageError
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


def split_inside(splits: Sequence[Split], fold: int) -> Split:
    """Training cases of a fold, divided once more.

    The next folds' validation cases that train here are held out, so that groups that the splits keep together stay
    together; where that would leave none to train, the training cases are dealt anew.

    Raises:
        UsageError: the fold trains on a single case.
    """
    train = splits[fold].train
    if len(train) < 2:
        raise UsageError(f"Fold {fold} trains on {len(train)} case, so that none can be held out to search a rate.")
    held_out = set(splits[(fold + 1) % len(splits)].validation) & set(train)
    if not 0 < len(held_out) < len(train):
        held_out = set(decide_splits(train, min(N_INNER_FOLDS, len(train))).splits[0].validation)
    return Split(
        train=tuple(case_id for case_id in train if case_id not in held_out),
        validation=tuple(sorted(choose_evenly(sorted(held_out), MAX_SCORED))),
    )


def search_rate(run: Run, rates: Sequence[float], inner: Split, base: float, try_rate: TryRate) -> Trials:
    """Try every rate; trials that were finished before are read.

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
    if path.is_file():
        return parse_record(Trials, read_json(path), where=str(path))
    dice = {rate: _try(try_rate, rate, inner) for rate in rates}
    trials = Trials(dice={f"{rate:g}": score for rate, score in dice.items()}, chosen=choose_rate(dice, base))
    write_json(path, trials)
    return trials


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
