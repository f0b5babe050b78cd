"""Do paired differences lean to one side more than chance would have them?

Wilcoxon's signed-rank test (Biometrics Bulletin 1945) and Holm's correction (Scandinavian Journal of Statistics 1979)
for several of them. Differences of zero are left out, tied ones share their mean rank. If neither method were better,
each difference could as well have the other sign; all 2**n such sums of ranks are counted, ties and all, so that the
level holds exactly where differences are symmetric around zero. Above `MAX_EXACT` differences the sum is normal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MAX_EXACT = 100  # differences; beyond, the normal distribution is off by less than resampling is

FloatArray = np.ndarray
IntArray = np.ndarray


def signed_rank_p_value(differences: FloatArray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 where every difference is zero."""
    doubled, excess = _sum_ranks(differences)
    if not doubled.size:
        return 1.0
    if doubled.size > MAX_EXACT:
        return math.erfc(max(abs(excess) - 2, 0) / math.sqrt(2 * float(np.sum(doubled.astype(np.float64) ** 2))))
    total = int(doubled.sum())
    most = (total + abs(excess)) // 2  # the larger of the doubled sums of ranks above and below zero
    return min(1.0, 2 * float(_count_sums(doubled)[most:].sum()))


def lean_of(differences: FloatArray) -> int:
    """To which side the signed ranks lean: 1, -1, or 0 where they balance."""
    return int(np.sign(_sum_ranks(differences)[1]))


def least_cases(n_comparisons: int, level: float) -> int:
    """Cases without which not even a win on every case can be shown: 2**(1 - n) times the comparisons stays below."""
    return math.floor(1 + math.log2(n_comparisons / level)) + 1


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


def _sum_ranks(differences: FloatArray) -> tuple[IntArray, int]:
    """Twice the rank of each difference that is not zero, and twice what the positive ones outweigh the negative."""
    nonzero = differences[differences != 0]
    _, place, counts = np.unique(np.abs(nonzero), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    doubled = (2 * ends - counts + 1)[place]
    return doubled, int(np.sum(np.sign(nonzero) * doubled))


def _count_sums(doubled: IntArray) -> FloatArray:
    """Probability of each sum that arises where every one of these ranks is taken or left with the same chance."""
    chance = np.zeros(int(doubled.sum()) + 1)
    chance[0] = 1.0
    end = 1
    for rank in doubled:
        chance[rank : rank + end] += chance[:end].copy()
        end += int(rank)
    return chance / 2.0**doubled.size
