"""Which method ranks where over many cases, which ranks cannot be told apart, and would other cases rank them so too?

Every case ranks the methods by mean foreground Dice, ties share their mean rank; the Friedman test says whether mean
ranks differ at all, and if it does at 5%, the critical difference of Nemenyi which of them do,

    critical difference = q sqrt(k (k + 1) / (6 n)),    q = 95% quantile of the studentized range of k / sqrt(2)

for k methods and n cases (Demšar, JMLR 2006). How stable the ranking is, is seen by resampling the cases, within folds
where these are told (Wiesenfarth et al., Scientific Reports 2021). Of fewer than six cases, which show no difference
between two methods, the sentence says nothing of it: resamples of few cases agree with them whatever others would say.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from autoseg.evaluation.bootstrapping import LEVEL, N_RESAMPLES, SEED, draw_resamples, group_cases
from autoseg.evaluation.comparing import TRAINED_HERE
from autoseg.evaluation.pairing import DECIMALS, FoldOf, dice_table, find_folds, list_cases, require_same
from autoseg.evaluation.report import Report, count_cases
from autoseg.evaluation.signed_rank import least_cases
from autoseg.serialization import Record

FEWEST = least_cases(1, LEVEL)  # cases that say anything about stability

FloatArray = np.ndarray


class Ranking(Record):
    """Ranks of methods, 1 is best.

    Attributes:
        methods: names, best mean rank first.
        mean_ranks: of each.
        n_cases: cases that ranked them.
        friedman_p: of the Friedman test.
        critical_difference: mean ranks that differ by more are shown to differ (level 5%), if the Friedman test shows
            that any do.
        groups: runs of neighbouring methods whose ranks cannot be told apart, each as names; maximal ones, of two or
            more.
        rank_shares: of each method, the share of resamples in which it came out 1st, 2nd, ...; methods that tie share
            their ranks.
        stability: mean Kendall tau between the ranking and that of a resample.
        sentence: the same in words.
    """

    methods: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n_cases: int
    friedman_p: float
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]
    rank_shares: dict[str, tuple[float, ...]]
    stability: float
    sentence: str


def rank_methods(
    reports: Mapping[str, Report], *, fold_of: FoldOf | None = None, seed: int = SEED, n_resamples: int = N_RESAMPLES
) -> Ranking | None:
    """Rank methods over the cases that any of them can be ranked by; None for fewer than two methods or no such case.

    A label counts in a case unless all left it rightly empty; where only some did, it scores 1 for these.

    Args:
        reports: by the method's name, all of the same cases and labels.
        fold_of: the fold that held each case out, so that cases are resampled within folds.
        seed, n_resamples: of the resampling.

    Raises:
        UsageError: reports of different cases or labels, or a case without a fold.
    """
    names = list(reports)
    if len(names) < 2:
        return None
    for name in names[1:]:
        require_same(reports[names[0]], reports[name], (names[0], name))
    dices = score_cases([dice_table(report) for report in reports.values()])
    counted = ~np.isnan(dices[:, 0])
    if not counted.any():
        return None
    folds = find_folds(list_cases(reports[names[0]]), fold_of)
    strata = None if folds is None else list(itertools.compress(folds, counted))
    ranks = rank_cases(dices[counted])
    order = np.argsort(ranks.mean(axis=0), kind="stable")
    return _describe([names[index] for index in order], ranks[:, order], strata, seed, n_resamples)


def score_cases(tables: Sequence[FloatArray]) -> FloatArray:
    """Mean Dice (n_cases, n_methods) from each method's (n_cases, n_labels), NaN for a case that ranks nobody.

    This is `overlap.reward_right_empties` among several.
    """
    stacked = np.stack(tables, axis=-1)
    is_compared = ~np.isnan(stacked).all(axis=-1, keepdims=True)
    filled = np.where(np.isnan(stacked) & is_compared, 1.0, stacked)
    n_labels = is_compared.sum(axis=1)
    total: FloatArray = np.nansum(filled, axis=1)
    return np.where(n_labels, total / np.maximum(n_labels, 1), np.nan).round(DECIMALS)


def rank_cases(dices: FloatArray) -> FloatArray:
    """Rank of each method in each case, 1 for the highest Dice, ties at their mean rank; (n_cases, n_methods)."""
    better = (dices[:, None, :] > dices[:, :, None]).sum(axis=-1)
    tied = (dices[:, None, :] == dices[:, :, None]).sum(axis=-1)
    ranks: FloatArray = better + (tied + 1) / 2
    return ranks


def friedman_p_value(ranks: FloatArray) -> float:
    """P of the Friedman test, corrected for ties; 1 where every case ties all. Of two methods it is a sign test's."""
    from scipy import special

    n_cases, n_methods = ranks.shape
    spread = float(np.sum((ranks - (n_methods + 1) / 2) ** 2)) / (n_methods - 1)
    if spread == 0:
        return 1.0
    leaning = float(np.sum((ranks.sum(axis=0) - n_cases * (n_methods + 1) / 2) ** 2))
    return float(special.chdtrc(n_methods - 1, leaning / spread))


def find_critical_difference(n_methods: int, n_cases: int) -> float:
    """Nemenyi's critical difference of mean ranks at 5%."""
    from scipy import stats

    quantile = float(stats.studentized_range.ppf(1 - LEVEL, n_methods, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(n_methods * (n_methods + 1) / (6 * n_cases))


def find_groups(methods: Sequence[str], mean_ranks: Sequence[float], reach: float) -> tuple[tuple[str, ...], ...]:
    """Maximal runs of two or more neighbours, best first, whose first and last differ by at most `reach`."""
    runs: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        end = sum(other <= rank + reach for other in mean_ranks)
        if end - first > 1 and (not runs or end > runs[-1][1]):
            runs.append((first, end))
    return tuple(tuple(methods[first:end]) for first, end in runs)


def _describe(
    names: Sequence[str], ranks: FloatArray, strata: Sequence[int] | None, seed: int, n_resamples: int
) -> Ranking:
    n_cases, n_methods = ranks.shape
    mean_ranks = tuple(float(rank) for rank in ranks.mean(axis=0))
    p_value = friedman_p_value(ranks)
    difference = find_critical_difference(n_methods, n_cases)
    sums = _resample_sums(ranks, strata, seed, n_resamples)
    shares = _count_ranks(sums)
    facts = Ranking(
        methods=tuple(names),
        mean_ranks=mean_ranks,
        n_cases=n_cases,
        friedman_p=p_value,
        critical_difference=difference,
        groups=find_groups(names, mean_ranks, difference if p_value < LEVEL else math.inf),
        rank_shares={name: tuple(float(share) for share in row) for name, row in zip(names, shares, strict=True)},
        stability=_mean_tau(ranks.sum(axis=0), sums),
        sentence="",
    )
    scope = "" if strata is None else f", {TRAINED_HERE}"
    return facts.model_copy(update={"sentence": _say(facts, scope) + _say_stability(facts, n_resamples)})


def _resample_sums(ranks: FloatArray, strata: Sequence[int] | None, seed: int, n_resamples: int) -> FloatArray:
    """Sums of ranks (n_resamples, n_methods); sums of halves are exact, so that ties stay ties."""
    groups = group_cases(len(ranks), strata)
    draws = draw_resamples(groups, seed=seed, n_resamples=n_resamples)
    return np.concatenate([np.stack([column[drawn].sum(axis=1) for column in ranks.T], axis=-1) for drawn in draws])


def _count_ranks(sums: FloatArray) -> FloatArray:
    """Share of resamples (n_methods, n_ranks) in which each method had each rank; ties share theirs."""
    places = np.arange(sums.shape[1])
    ahead = (sums[:, None, :] < sums[:, :, None]).sum(axis=-1, keepdims=True)
    tied = (sums[:, None, :] == sums[:, :, None]).sum(axis=-1, keepdims=True)
    shares: FloatArray = np.mean(((places >= ahead) & (places < ahead + tied)) / tied, axis=0)
    return shares


def _mean_tau(whole: FloatArray, sums: FloatArray) -> float:
    """Mean Kendall tau-b between the ranking and those of resamples; 1 where both tie all, 0 where only one does."""
    first, second = np.triu_indices(whole.size, 1)
    signs, resampled = np.sign(whole[first] - whole[second]), np.sign(sums[:, first] - sums[:, second])
    scale = np.sqrt((signs != 0).sum() * (resampled != 0).sum(axis=1))
    undefined = 1.0 if not signs.any() else 0.0
    taus = np.where(scale > 0, resampled @ signs / np.maximum(scale, 1), undefined * ~resampled.any(axis=1))
    return float(taus.mean())


def _say(facts: Ranking, scope: str) -> str:
    cases, n_methods = count_cases(facts.n_cases), len(facts.methods)
    if facts.friedman_p >= LEVEL:
        return (
            f"The ranks of {n_methods} methods differ by no more than {cases} would make them differ by chance "
            f"(Friedman p {facts.friedman_p:.3f})"
        )
    first, tied = facts.methods[0], next((group for group in facts.groups if facts.methods[0] in group), ())
    rest = [name for name in facts.methods[1:] if name not in tied]
    parts = [f"{first} ranks first of {n_methods} on {cases}{scope}, mean rank {facts.mean_ranks[0]:.2f}"]
    if rest:
        parts.append(f"shown to rank before {_join(rest)} (critical difference {facts.critical_difference:.2f})")
    if tied:
        parts.append(f"not shown to rank before {_join(tied[1:])}")
    return ", ".join(parts)


def _say_stability(facts: Ranking, n_resamples: int) -> str:
    if facts.n_cases < FEWEST:
        return "."
    first = facts.methods[0]
    return (
        f"; {first} came first in {facts.rank_shares[first][0]:.0%} of {n_resamples} resamples of the cases, whose "
        f"rankings agree with this one by a mean Kendall tau of {facts.stability:.2f}."
    )


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
