"""Is one method better than another, or can these cases not tell?

Two reports of the same cases are compared in pairs, case by case. A difference is called shown when two things agree:
the Wilcoxon signed-rank test (Wilcoxon 1945), corrected for the number of comparisons by Holm (1979), is below 5%, and
the bootstrap 95% interval of the mean difference excludes 0. Cases are resampled; the percentile interval is expanded
for small samples (Hesterberg, The American Statistician 2015), for it is too narrow otherwise. With fewer than six
cases the signed-rank test cannot reach 5%, so nothing can be shown then. Source of the practice: Wiesenfarth et al.,
Scientific Reports 2021; Maier-Hein et al., Nature Communications 2018.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from autoseg.errors import UsageError
from autoseg.evaluation.overlap import reward_right_empties
from autoseg.evaluation.report import Report
from autoseg.serialization import Record

LEVEL = 0.05  # the share of comparisons between equals that may be called different
N_RESAMPLES = 10_000  # moves the ends of a 95% interval by about 1% of its width
SEED = 20210  # of the resampling: the same reports always give the same interval

FloatArray = np.ndarray


class Comparison(Record):
    """A paired comparison of two methods by Dice; differences are `one` minus `other`.

    Attributes:
        one, other: names of the methods.
        n_cases: pairs that could be compared.
        mean_difference: mean over cases of the difference in mean foreground Dice.
        interval: 95% interval of the mean difference.
        p_value: Wilcoxon signed-rank, two-sided.
        p_corrected: the same after Holm's correction for all comparisons made together.
        superiority: probability that `one` is the better on a case, ties counting half.
        is_shown: whether the cases show a difference.
        sentence: the same in words.
    """

    one: str
    other: str
    n_cases: int
    mean_difference: float
    interval: tuple[float, float]
    p_value: float
    p_corrected: float
    superiority: float
    is_shown: bool
    sentence: str


def compare(one: Report, other: Report, *, names: tuple[str, str], seed: int = SEED) -> Comparison:
    """Compare two reports of the same cases and labels. Raises UsageError if they are not."""
    return compare_all(dict(zip(names, (one, other), strict=True)), seed=seed)[0]


def compare_all(reports: Mapping[str, Report], *, seed: int = SEED) -> tuple[Comparison, ...]:
    """Compare every pair of methods, correcting for the number of pairs.

    Args:
        reports: by the method's name, all of the same cases and labels.
        seed: of the resampling.

    Returns:
        One comparison per pair, in the order of `reports`.
    """
    pairs = list(itertools.combinations(reports, 2))
    differences = [pair_differences(reports[one], reports[other], names=(one, other)) for one, other in pairs]
    p_values = [signed_rank_p_value(difference) for difference in differences]
    corrected = correct_holm(p_values)
    return tuple(
        _describe(pair, difference, p_value, p_corrected, seed)
        for pair, difference, p_value, p_corrected in zip(pairs, differences, p_values, corrected, strict=True)
    )


def _describe(
    names: tuple[str, str], difference: FloatArray, p_value: float, p_corrected: float, seed: int
) -> Comparison:
    low, high = bootstrap_interval(difference, seed=seed)
    is_shown = p_corrected < LEVEL and not low <= 0 <= high
    mean = float(difference.mean())
    return Comparison(
        one=names[0],
        other=names[1],
        n_cases=difference.size,
        mean_difference=mean,
        interval=(low, high),
        p_value=p_value,
        p_corrected=p_corrected,
        superiority=float(np.mean(difference > 0) + 0.5 * np.mean(difference == 0)),
        is_shown=is_shown,
        sentence=_say(names, difference.size, mean, (low, high), is_shown),
    )


def _say(names: tuple[str, str], n_cases: int, mean: float, interval: tuple[float, float], is_shown: bool) -> str:
    cases = "1 case" if n_cases == 1 else f"{n_cases} cases"
    figures = f"Dice {mean:+.4f} (95% interval {interval[0]:+.4f} to {interval[1]:+.4f})"
    if is_shown:
        better, worse = names if mean > 0 else names[::-1]
        return f"{better} is better than {worse} on {cases}: {names[0]} minus {names[1]} is {figures}."
    return f"No difference that {cases} can show: {names[0]} minus {names[1]} is {figures}."


def pair_differences(one: Report, other: Report, *, names: tuple[str, str] = ("one", "other")) -> FloatArray:
    """Difference in mean foreground Dice, `one` minus `other`, for each case that can be compared.

    A label counts in a case unless both left it rightly empty; where only one did, it scores 1 there
    (`overlap.reward_right_empties`).

    Raises:
        UsageError: the reports hold different cases or labels, or nothing to compare.
    """
    _require_same(one, other, names)
    dices, other_dices = reward_right_empties(dice_table(one), dice_table(other))
    counted = ~np.isnan(dices).all(axis=1)
    if not counted.any():
        raise UsageError(f"{names[0]} and {names[1]}: no case has a label to compare by.")
    difference: FloatArray = np.nanmean((dices - other_dices)[counted], axis=1)
    return difference


def _require_same(one: Report, other: Report, names: tuple[str, str]) -> None:
    unshared = {case.case_id for case in one.cases} ^ {case.case_id for case in other.cases}
    if unshared:
        raise UsageError(
            f"{names[0]} and {names[1]} were evaluated on different cases ({', '.join(sorted(unshared)[:5])} in one "
            "only). Evaluate both on the same."
        )
    if list(one.summary) != list(other.summary):
        raise UsageError(f"{names[0]} has labels {list(one.summary)}, {names[1]} has {list(other.summary)}.")


def dice_table(report: Report) -> FloatArray:
    """Dice (n_cases, n_foreground_labels), NaN where not counted."""
    return np.array([[case.labels[name].dice for name in report.summary] for case in report.cases], dtype=np.float64)


def bootstrap_interval(
    values: Sequence[float] | FloatArray, *, seed: int = SEED, n_resamples: int = N_RESAMPLES, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of the mean that covers it with probability 1 - `level`: expanded percentile bootstrap.

    Args:
        values: one per case; a single case gives the infinite interval.
        seed: of the resampling.
        n_resamples: bootstrap samples drawn.
    """
    from scipy import stats

    sample = np.asarray(values, dtype=np.float64)
    n = sample.size
    if n < 2:
        return -math.inf, math.inf
    generator = np.random.default_rng(seed)
    means = [sample[generator.integers(n, size=n)].mean() for _ in range(n_resamples)]
    tail = float(stats.norm.cdf(math.sqrt(n / (n - 1)) * stats.t.ppf(level / 2, n - 1)))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def signed_rank_p_value(differences: FloatArray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 where every difference is zero."""
    from scipy import stats

    nonzero = differences[differences != 0]
    if nonzero.size == 0:
        return 1.0
    return float(stats.wilcoxon(nonzero).pvalue)


def correct_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: p-values that may each be compared with the level, in the order given."""
    order = np.argsort(p_values, kind="stable")
    n = len(p_values)
    corrected = [0.0] * n
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (n - rank) * p_values[index]))
        corrected[index] = highest
    return corrected
