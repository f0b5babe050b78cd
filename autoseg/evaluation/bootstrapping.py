"""How far could a mean over cases lie from what other cases of the same kind would give?

Cases are drawn anew, with replacement, and the mean is taken each time: the bootstrap (Efron 1979). Where cases belong
to folds, they are drawn within folds, so that every fold keeps its number of cases: cases are a sample, the folds with
their trained models are all that there are. So the interval covers what other cases would have changed, and not what
another training would have.

The percentiles of resampled means lie too close together, for three reasons, and each is mended. A resample of n cases
spreads less than n new cases would, by the factor sqrt((n - 1) / n), which folds of few cases would feel. The spread is
itself estimated, so that Student's percentiles take the place of the normal ones (Hesterberg, The American
Statistician 2015). And where values are skewed, the side of the long tail is too short: there the percentile goes out
as far as BCa takes it (Efron, JASA 1987), while the other side is left where it was, for skewness is poorly known from
few cases, and to believe it would shorten intervals of symmetric values with heavy tails.

No resample goes further than the farthest case, drawn every time. With few cases, or where so small a level is asked
for that hardly a resample lies beyond it, percentiles run off what was drawn. An end that fewer than `LEAST_BEYOND`
resamples lie beyond, or that lies among the outermost that there can be, is therefore at least as far from the mean as
Student's t has it: both ends of five cases and fewer, and of more where many comparisons ask for a small level.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

LEVEL = 0.05  # an interval misses what it is an interval of this often
N_RESAMPLES = 10_000  # moves the ends of a 95% interval by about 1% of its width
SEED = 20210  # of the resampling: the same values always give the same interval
LEAST_BEYOND = 10  # resamples, of those drawn and of the outermost one; a judgement
CHUNK = 1 << 20  # drawn cases held at once: 8 MiB of indices

FloatArray = np.ndarray
IntArray = np.ndarray


def bootstrap_interval(
    values: Sequence[float] | FloatArray,
    *,
    strata: Sequence[Hashable] | None = None,
    seed: int = SEED,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Interval of the mean that covers it with probability 1 - `level`: expanded percentile bootstrap.

    Where cases, or resamples, are too few for its percentiles, it reaches at least as far as Student's interval.

    Args:
        values: one per case; too few to have a spread give the infinite interval.
        strata: the fold of each case; None resamples all cases together.
        seed: of the resampling.
        n_resamples: bootstrap samples drawn.
        level: how often the interval may miss.
    """
    sample = np.asarray(values, dtype=np.float64)
    groups = group_cases(sample.size, strata)
    if sample.size - len(groups) < 1:
        return -math.inf, math.inf
    deviations = stretch_deviations(sample, groups)
    draws = draw_resamples(groups, seed=seed, n_resamples=n_resamples)
    means = np.concatenate([deviations[drawn].mean(axis=1) for drawn in draws])
    low, high = sample.mean() + place_ends(means, deviations, groups, level)
    return float(low), float(high)


def group_cases(n_cases: int, strata: Sequence[Hashable] | None = None) -> list[IntArray]:
    """Indices of the cases that are drawn among each other: those of a fold; folds of a single case are one together.

    A single case that is left over joins the smallest fold: alone, it would have no spread.
    """
    folds: dict[Hashable, list[int]] = {}
    for index in range(n_cases):
        folds.setdefault(None if strata is None else strata[index], []).append(index)
    groups = sorted((fold for fold in folds.values() if len(fold) > 1), key=len)
    alone = [fold[0] for fold in folds.values() if len(fold) == 1]
    if len(alone) == 1 and groups:
        groups[0] = sorted(groups[0] + alone)
    elif alone:
        groups.append(alone)
    return [np.array(group) for group in sorted(groups)]


def draw_resamples(groups: Sequence[IntArray], *, seed: int, n_resamples: int) -> Iterator[IntArray]:
    """Indices of the drawn cases (some resamples, n_cases), group beside group, in chunks that memory bears."""
    generator = np.random.default_rng(seed)
    n_cases = sum(group.size for group in groups)
    for start in range(0, n_resamples, step := max(1, CHUNK // max(1, n_cases))):
        n = min(step, n_resamples - start)
        yield np.hstack([group[generator.integers(group.size, size=(n, group.size))] for group in groups])


def stretch_deviations(sample: FloatArray, groups: Sequence[IntArray]) -> FloatArray:
    """Each case's deviation from the mean of its group, stretched so that resamples spread as new cases would."""
    deviations = np.empty_like(sample)
    for group in groups:
        deviations[group] = (sample[group] - sample[group].mean()) * math.sqrt(group.size / (group.size - 1))
    return deviations


def place_ends(
    means: FloatArray, deviations: FloatArray, groups: Sequence[IntArray], level: float = LEVEL
) -> FloatArray:
    """Both ends of the interval (2,), relative to the mean.

    Args:
        means: of the resampled deviations.
        deviations: stretched, one per case.
        groups: as the cases were drawn.
        level: how often the interval may miss.
    """
    from scipy import special

    reach = find_reach(deviations, deviations.size - len(groups), level)
    ends: FloatArray = np.quantile(means, special.ndtr(reach))
    student = reach * math.sqrt(float(np.sum(deviations**2))) / deviations.size
    farther = np.array([min(ends[0], student[0]), max(ends[1], student[1])])
    outermost = math.exp(-sum(group.size * math.log(group.size) for group in groups))  # its share of all resamples
    is_beyond = special.ndtr(-np.abs(reach)) < LEAST_BEYOND * max(outermost, 1 / means.size)
    return np.where(is_beyond, farther, ends)


def find_reach(deviations: FloatArray, freedom: int, level: float = LEVEL) -> FloatArray:
    """How far the lower and the upper end lie from the mean (2,), in standard errors.

    Args:
        deviations: stretched, one per case.
        freedom: cases less groups.
        level: how often the interval may miss.
    """
    from scipy import special

    student = float(-special.stdtrit(freedom, level / 2))
    squares = float(np.sum(deviations**2))
    skew = float(np.sum(deviations**3)) / (6 * squares**1.5) if squares else 0.0  # BCa's acceleration, and its bias
    low, high = (skew + (skew + end) / max(1 - skew * (skew + end), 0.5) for end in (-student, student))
    return np.array([min(low, -student), max(high, student)])
