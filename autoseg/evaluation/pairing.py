"""By how much do two methods differ on each case that both were evaluated on?

The difference in mean foreground Dice, case by case, with the fold that held the case out: what every statistic of
pairs begins with.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autoseg.errors import UsageError
from autoseg.evaluation.overlap import reward_right_empties
from autoseg.evaluation.report import Report

DECIMALS = 9  # of a difference in Dice that count; the rest is floating-point noise, and equal scores are tied

FloatArray = np.ndarray
Pair = tuple[str, str]
FoldOf = Mapping[str, int]


@dataclass(frozen=True)
class Differences:
    """Paired differences of two methods.

    Attributes:
        names: of the methods; differences are the first minus the second.
        values: difference in mean foreground Dice (n_cases,).
        folds: that held each case out; None where that is not told.
    """

    names: Pair
    values: FloatArray
    folds: tuple[int, ...] | None = None

    @property
    def by_fold(self) -> dict[str, float]:
        """Mean difference of each fold."""
        folds = np.array(self.folds or ())
        return {str(fold): float(self.values[folds == fold].mean()) for fold in np.unique(folds)}


def pair_differences(one: Report, other: Report, *, names: Pair = ("one", "other")) -> FloatArray:
    """Difference in mean foreground Dice, `one` minus `other`, for each case that can be compared.

    A label counts in a case unless both left it rightly empty; where only one did, it scores 1 there
    (`overlap.reward_right_empties`).

    Raises:
        UsageError: the reports hold different cases or labels, or nothing to compare.
    """
    return pair_all(dict(zip(names, (one, other), strict=True)), [names])[0].values


def pair_all(
    reports: Mapping[str, Report], pairs: Sequence[Pair], *, fold_of: FoldOf | None = None
) -> list[Differences]:
    """The differences of each pair, with the folds of the cases. Raises UsageError as `compare_all` does."""
    for one, other in pairs:
        require_same(reports[one], reports[other], (one, other))
    tables = {name: dice_table(reports[name]) for name in dict.fromkeys(itertools.chain(*pairs))}
    return [
        _subtract(tables[one], tables[other], (one, other), find_folds(list_cases(reports[one]), fold_of))
        for one, other in pairs
    ]


def _subtract(dices: FloatArray, other_dices: FloatArray, names: Pair, folds: tuple[int, ...] | None) -> Differences:
    dices, other_dices = reward_right_empties(dices, other_dices)
    counted = ~np.isnan(dices).all(axis=1)
    if not counted.any():
        raise UsageError(f"{names[0]} and {names[1]}: no case has a label to compare by.")
    values = np.nanmean((dices - other_dices)[counted], axis=1).round(DECIMALS)
    kept = None if folds is None else tuple(itertools.compress(folds, counted))
    return Differences(names, values, kept)


def require_same(one: Report, other: Report, names: Pair) -> None:
    """Raises UsageError unless both reports hold the same cases and labels."""
    unshared = {case.case_id for case in one.cases} ^ {case.case_id for case in other.cases}
    if unshared:
        raise UsageError(
            f"{names[0]} and {names[1]} were evaluated on different cases ({', '.join(sorted(unshared)[:5])} in one "
            "only). Evaluate both on the same."
        )
    if list(one.summary) != list(other.summary):
        raise UsageError(f"{names[0]} has labels {list(one.summary)}, {names[1]} has {list(other.summary)}.")


def find_folds(case_ids: Sequence[str], fold_of: FoldOf | None) -> tuple[int, ...] | None:
    """The fold of each case, None where folds are not told. Raises UsageError for a case without one."""
    if fold_of is None:
        return None
    unknown = [case_id for case_id in case_ids if case_id not in fold_of]
    if unknown:
        raise UsageError(f"No fold is told for {', '.join(unknown[:5])}. Name the fold of every case, or of none.")
    return tuple(fold_of[case_id] for case_id in case_ids)


def list_cases(report: Report) -> list[str]:
    """Ids of the cases of a report."""
    return [case.case_id for case in report.cases]


def dice_table(report: Report) -> FloatArray:
    """Dice (n_cases, n_foreground_labels), NaN where not counted."""
    return np.array([[case.labels[name].dice for name in report.summary] for case in report.cases], dtype=np.float64)
