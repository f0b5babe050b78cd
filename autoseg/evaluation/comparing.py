"""Is one method better than another, or can these cases not tell?

Two reports of the same cases are compared in pairs, case by case. A difference is called shown when two things agree:
the Wilcoxon signed-rank test (`signed_rank`), corrected for the number of comparisons by Holm, is below 5%, and the
bootstrap 95% interval of the mean difference (`bootstrapping`) excludes 0 on the same side, and so does the wider one
of level 5% over the number of comparisons. The one alone would call a skewed difference shown whose mean is 0, the
other is too bold with few cases. With fewer than six cases not even a
win on every case is below 5%, and with several comparisons it takes more; then nothing can be shown, and this is said.

What is shown holds for the models that were trained, and where folds are told the sentence says so: cases are drawn
within their folds, and another training of the same methods might have differed by more. Whoever trains several seeds
averages them per case first, which leaves less of that in the difference; `fold_differences` tell whether the folds,
each with models of its own, agree. Source of the practice: Wiesenfarth et al., Scientific Reports 2021; Maier-Hein et
al., Nature Communications 2018.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import pydantic

from autoseg.evaluation.bootstrapping import LEVEL, N_RESAMPLES, SEED, bootstrap_interval
from autoseg.evaluation.pairing import Differences, FoldOf, Pair, pair_all
from autoseg.evaluation.report import Report, count_cases
from autoseg.evaluation.signed_rank import correct_holm, lean_of, least_cases, signed_rank_p_value
from autoseg.serialization import Record

TRAINED_HERE = "for the models trained here"  # what intervals over cases leave out: other trainings
NORMAL_REACH = 1.959964  # standard deviations that hold 95% of a normal distribution


def _open_ends(interval: Any) -> Any:
    """JSON writes infinity as null; that of an interval's end is known by its place."""
    low, high = interval
    return (-math.inf if low is None else low, math.inf if high is None else high)


Interval = Annotated[tuple[float, float], pydantic.BeforeValidator(_open_ends)]


class Comparison(Record):
    """A paired comparison of two methods by Dice; differences are `one` minus `other`.

    Attributes:
        one, other: names of the methods.
        n_cases: pairs that could be compared.
        n_comparisons: that were made together, and corrected for.
        mean_difference: mean over cases of the difference in mean foreground Dice.
        interval: 95% interval of the mean difference, over cases, for this pair alone.
        p_value: Wilcoxon signed-rank, two-sided.
        p_corrected: the same after Holm's correction for all comparisons made together.
        superiority: probability that `one` is the better on a case, ties counting half.
        superiority_interval: 95% interval of that (Wilson, JASA 1927).
        fold_differences: mean difference of each fold's cases; empty where folds are not told.
        is_shown: whether the cases show a difference.
        sentence: the same in words.
    """

    one: str
    other: str
    n_cases: int
    n_comparisons: int = 1
    mean_difference: float
    interval: Interval
    p_value: float
    p_corrected: float
    superiority: float
    superiority_interval: tuple[float, float] = (0.0, 1.0)
    fold_differences: dict[str, float] = {}
    is_shown: bool
    sentence: str


def compare_all(
    reports: Mapping[str, Report],
    *,
    fold_of: FoldOf | None = None,
    seed: int = SEED,
    n_resamples: int = N_RESAMPLES,
) -> tuple[Comparison, ...]:
    """Compare every pair of methods, correcting for the number of pairs.

    Args:
        reports: by the method's name, all of the same cases and labels.
        fold_of: the fold that held each case out, so that cases are resampled within folds.
        seed, n_resamples: of the resampling.

    Returns:
        One comparison per pair, in the order of `reports`.

    Raises:
        UsageError: reports of different cases or labels, or a case without a fold.
    """
    differences = pair_all(reports, list(itertools.combinations(reports, 2)), fold_of=fold_of)
    return compare_differences(differences, seed=seed, n_resamples=n_resamples)


def compare_pairs(
    reports: Mapping[str, Report], pairs: Sequence[Pair], *, fold_of: FoldOf | None = None, seed: int = SEED
) -> tuple[Comparison, ...]:
    """Compare these pairs of methods, correcting for their number; otherwise like `compare_all`."""
    return compare_differences(pair_all(reports, pairs, fold_of=fold_of), seed=seed)


def compare_differences(
    differences: Sequence[Differences], *, seed: int = SEED, n_resamples: int = N_RESAMPLES
) -> tuple[Comparison, ...]:
    """Compare by paired differences, correcting for the number of pairs."""
    n, resampling = len(differences), {"seed": seed, "n_resamples": n_resamples}
    p_values = [signed_rank_p_value(its.values) for its in differences]
    compared = []
    for its, p_value, p_corrected in zip(differences, p_values, correct_holm(p_values), strict=True):
        interval = bootstrap_interval(its.values, strata=its.folds, **resampling)
        is_shown = p_corrected < LEVEL and _side_of(interval) == lean_of(its.values)
        if is_shown and n > 1:
            wider = bootstrap_interval(its.values, strata=its.folds, level=LEVEL / n, **resampling)
            is_shown = _side_of(wider) != 0
        compared.append(_describe(its, interval, (p_value, p_corrected), n, is_shown))
    return tuple(compared)


def _side_of(interval: tuple[float, float]) -> int:
    """On which side of 0 an interval lies, 0 where it holds 0."""
    return 1 if interval[0] > 0 else -1 if interval[1] < 0 else 0


def _describe(
    differences: Differences,
    interval: tuple[float, float],
    p_values: tuple[float, float],
    n_comparisons: int,
    is_shown: bool,
) -> Comparison:
    values = differences.values
    superiority = float(np.mean(values > 0) + 0.5 * np.mean(values == 0))
    facts = Comparison(
        one=differences.names[0],
        other=differences.names[1],
        n_cases=values.size,
        n_comparisons=n_comparisons,
        mean_difference=float(values.mean()),
        interval=interval,
        p_value=p_values[0],
        p_corrected=p_values[1],
        superiority=superiority,
        superiority_interval=share_interval(superiority, values.size),
        fold_differences=differences.by_fold,
        is_shown=is_shown,
        sentence="",
    )
    return facts.model_copy(update={"sentence": _say(facts)})


def _say(facts: Comparison) -> str:
    cases = count_cases(facts.n_cases)
    sign = 1 if facts.mean_difference >= 0 else -1
    better, worse = (facts.one, facts.other)[::sign]
    low, high = sorted(sign * end for end in facts.interval)
    figures = f"{better} minus {worse} is Dice {abs(facts.mean_difference):+.4f}{_say_interval((low, high))}"
    if facts.is_shown:
        scope = f", {TRAINED_HERE}" if facts.fold_differences else ""
        return f"{better} is better than {worse} on {cases}{scope}: {figures}{_say_folds(facts)}."
    least = least_cases(facts.n_comparisons, LEVEL)
    among = f" among {facts.n_comparisons} comparisons" if facts.n_comparisons > 1 else ""
    few = f", for fewer than {least} can show none" if facts.n_cases < least else ""
    alone = "; alone, without the other comparisons, these two would differ" if _would_differ_alone(facts) else ""
    return f"No difference that {cases} can show{among}{few}: {figures}{alone}."


def _would_differ_alone(facts: Comparison) -> bool:
    return facts.n_comparisons > 1 and facts.p_value < LEVEL and _side_of(facts.interval) != 0


def _say_interval(interval: tuple[float, float]) -> str:
    low, high = interval
    return f" (95% interval {low:+.4f} to {high:+.4f})" if math.isfinite(high - low) else ", without an interval"


def _say_folds(facts: Comparison) -> str:
    """A difference that the cases show need not be one of every training."""
    n_against = sum(each * facts.mean_difference <= 0 for each in facts.fold_differences.values())
    n_folds = len(facts.fold_differences)
    return f", though not in {n_against} of {n_folds} folds" if n_against else ""


def share_interval(share: float, n_cases: int) -> tuple[float, float]:
    """95% interval of a share of cases (Wilson, JASA 1927); where ties count half it is wider than it need be."""
    squared = NORMAL_REACH**2
    centre = (n_cases * share + squared / 2) / (n_cases + squared)
    reach = NORMAL_REACH / (n_cases + squared) * math.sqrt(n_cases * share * (1 - share) + squared / 4)
    return max(centre - reach, 0.0), min(centre + reach, 1.0)
