"""How far could each of many means lie from what other cases would give?

The interval of `bootstrapping.bootstrap_interval`, for every metric of every label of a report. Metrics that are
counted in equally many cases, of the same folds, share the draws, so that one matrix product takes the means of all.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from autoseg.evaluation.bootstrapping import (
    N_RESAMPLES,
    SEED,
    draw_resamples,
    group_cases,
    place_ends,
    stretch_deviations,
)

Interval = tuple[float, float]
FloatArray = np.ndarray
Strata = tuple[Hashable, ...]

UNKNOWN: Interval = (math.nan, math.nan)
COLUMNS_AT_ONCE = 256  # whose resampled means are held together: 20 MB


def bootstrap_intervals(
    columns: Sequence[Sequence[float]],
    *,
    strata: Sequence[Sequence[Hashable]] | None = None,
    seed: int = SEED,
) -> list[Interval]:
    """95% intervals of means.

    Args:
        columns: the defined values of each mean; columns may differ in length.
        strata: the fold of each value of each column; None resamples all cases together.
        seed: of the resampling.

    Returns:
        One interval per column, in their order; NaN for fewer than two values.
    """
    intervals = [UNKNOWN] * len(columns)
    for its_strata, places in _gather_alike(columns, strata):
        for first in range(0, len(places), COLUMNS_AT_ONCE):
            its = places[first : first + COLUMNS_AT_ONCE]
            found = _bootstrap(np.array([columns[place] for place in its], dtype=np.float64).T, its_strata, seed)
            for place, interval in zip(its, found, strict=True):
                intervals[place] = interval
    return intervals


def _gather_alike(
    columns: Sequence[Sequence[float]], strata: Sequence[Sequence[Hashable]] | None
) -> list[tuple[Strata, list[int]]]:
    """Places of the columns of two values and more that are drawn alike: of the same folds in the same order."""
    alike: dict[tuple[Hashable, ...], list[int]] = {}
    for place, column in enumerate(columns):
        if len(column) > 1:
            alike.setdefault(tuple(strata[place]) if strata else (None,) * len(column), []).append(place)
    return list(alike.items())


def _bootstrap(table: FloatArray, strata: Strata, seed: int) -> list[Interval]:
    """Intervals of the columns of a table (n_cases, n_columns), with the same draws for all."""
    n_cases, n_columns = table.shape
    groups = group_cases(n_cases, strata)
    deviations = np.stack([stretch_deviations(table[:, column], groups) for column in range(n_columns)], axis=1)
    draws = draw_resamples(groups, seed=seed, n_resamples=N_RESAMPLES)
    means = np.concatenate([_count(drawn) @ deviations for drawn in draws]) / n_cases
    found = []
    for centre, its_means, its_deviations in zip(table.mean(axis=0), means.T, deviations.T, strict=True):
        low, high = centre + place_ends(its_means, its_deviations, groups)
        found.append((float(low), float(high)))
    return found


def _count(drawn: FloatArray) -> FloatArray:
    """How often each case was drawn (n_resamples, n_cases)."""
    n_resamples, n_cases = drawn.shape
    places = drawn + n_cases * np.arange(n_resamples)[:, None]
    counts: FloatArray = np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)
    return counts
