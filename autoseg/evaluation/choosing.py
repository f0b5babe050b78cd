"""Of which labels shall the line be believed, and how far off is whoever chooses so?

A line through some cases (`held_out`) must beat the mean Dice of the label, which needs no certainty at all. Where the
cases cannot show that it does (95% bootstrap interval of the gain on held-out cases, over cases), the mean is taken,
and so it is for a single label whose error the line does not lower.

A choice by held-out errors makes these errors look smaller than new cases will have them. The error that is stated is
therefore that of choosing as well (nested cross-validation: Varma and Simon, BMC Bioinformatics 2006): for every part
that is held out, line or mean is chosen by the other parts alone, which for this are held out of each other in turn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autoseg.evaluation.bootstrapping import bootstrap_interval
from autoseg.evaluation.held_out import Rows, predict_held_out

MAX_INNER_PARTS = 10  # that the others are held out in, to choose; more only cost time
N_RESAMPLES = 2000  # of the gain's interval
N_INNER_RESAMPLES = 500  # of the same where a part is held out

FloatArray = np.ndarray


@dataclass(frozen=True)
class Choice:
    """Line or mean.

    Attributes:
        is_line: boolean (n_labels,).
        gain_interval: 95% interval of the error of the mean minus that of the line, over cases.
    """

    is_line: np.ndarray
    gain_interval: tuple[float, float]


@dataclass(frozen=True)
class Tried:
    """Dice (n,) of every row as the other parts predict it.

    Attributes:
        by_line, by_mean: for every label.
        by_choice: by the one or the other, chosen without the row's part.
        choice: by all rows.
    """

    by_line: FloatArray
    by_mean: FloatArray
    by_choice: FloatArray
    choice: Choice


def try_predictors(rows: Rows) -> Tried:
    """Hold out every part in turn.

    Args:
        rows: every label is in at least two parts.
    """
    by_line, by_mean = predict_both(rows)
    by_choice = by_mean.copy()
    for part in np.unique(rows.parts):
        held_out = rows.parts == part
        is_line = _choose_by_others(rows.take(~held_out), rows.n_labels)[rows.labels] & held_out
        by_choice[is_line] = by_line[is_line]
    return Tried(by_line, by_mean, by_choice, choose(rows, np.stack([by_line, by_mean])))


def predict_both(rows: Rows) -> FloatArray:
    """Held-out Dice (2, n): by the line, and by the mean."""
    return np.stack([predict_held_out(rows), predict_held_out(rows.without_features())])


def choose(rows: Rows, held_out: FloatArray, n_resamples: int = N_RESAMPLES) -> Choice:
    """Line or mean, by their held-out predictions (2, n)."""
    errors = np.abs(held_out - rows.dice)
    gains = [np.mean((errors[1] - errors[0])[rows.cases == case]) for case in np.unique(rows.cases)]
    low, high = bootstrap_interval(np.array(gains), n_resamples=n_resamples)
    is_line = [bool(low > 0 and its.any() and np.diff(errors[:, its].mean(axis=1)) > 0) for its in rows.masks]
    return Choice(np.array(is_line), (low, high))


def _choose_by_others(rows: Rows, n_labels: int) -> np.ndarray:
    """Line (n_labels,) where rows without the part that is held out show it; a label in one part shows nothing."""
    parts = np.unique(rows.parts, return_inverse=True)[1] % MAX_INNER_PARTS
    n_parts = np.array([np.unique(parts[rows.labels == label]).size for label in range(n_labels)])
    is_line = np.zeros(n_labels, dtype=bool)
    kept = replace(rows, parts=parts).take((n_parts > 1)[rows.labels])
    if kept.dice.size:
        chosen = choose(kept, predict_both(kept), N_INNER_RESAMPLES).is_line
        is_line[: chosen.size] = chosen
    return is_line
