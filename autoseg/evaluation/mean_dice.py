"""How far could a mean foreground Dice lie from what other cases would give?

The mean foreground Dice is a mean over labels of means over cases, and a label need not be counted in every case. To
resample cases, each case is given its share in the mean: with n cases, of which a label is counted in n_l with mean
m_l, a case with Dice d contributes m_l + (d - m_l) n / n_l for that label, and m_l where it is not counted. The mean of
these shares over cases is the mean foreground Dice, and their spread that of a ratio of means (influence function,
Hampel 1974).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from autoseg.evaluation.bootstrapping import bootstrap_interval
from autoseg.evaluation.definitions import clip_to_range
from autoseg.evaluation.report import Report

FloatArray = np.ndarray
Interval = tuple[float, float]


def share_mean_dice(report: Report) -> FloatArray:
    """What each case contributes to the mean foreground Dice (n_cases,); its mean is `report.mean_dice`."""
    dices = np.array([[case.labels[name].dice for name in report.summary] for case in report.cases], dtype=np.float64)
    n_counted = (~np.isnan(dices)).sum(axis=0)
    dices = dices[:, n_counted > 0]
    means = np.nanmean(dices, axis=0)
    shares = means + np.nan_to_num(dices - means) * len(dices) / n_counted[n_counted > 0]
    mean: FloatArray = shares.mean(axis=1)
    return mean


def find_mean_dice_interval(report: Report, fold_of: Mapping[str, int] | None = None) -> Interval:
    """95% interval of the mean foreground Dice, cut off at 0 and 1; NaN where no or a single case is counted.

    Args:
        report: of at least one case.
        fold_of: the fold of each case, in which cases are resampled.
    """
    if math.isnan(report.mean_dice) or len(report.cases) < 2:
        return math.nan, math.nan
    strata = None if fold_of is None else [fold_of.get(case.case_id) for case in report.cases]
    low, high = bootstrap_interval(share_mean_dice(report), strata=strata)
    return clip_to_range("dice", (low, high)) if math.isfinite(low) else (math.nan, math.nan)
