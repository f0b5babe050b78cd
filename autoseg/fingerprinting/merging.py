"""How do the foregrounds of single cases become that of the dataset, each case weighing the same?

Mean and variance follow from those of the cases exactly (law of total variance). Percentiles are those of the mixture
of the cases' distributions, each of which runs linearly between its quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoseg.fingerprinting.fingerprint import QUANTILE_LEVELS, ForegroundSample, Intensities

N_BISECTIONS = 64  # the range shrinks to its 2^64th part: below the spacing of float64
SIGNIFICANT_DIGITS = 6


def merge_intensities(samples: Sequence[ForegroundSample]) -> Intensities:
    """Merge the foreground samples of one channel, one per case."""
    means = np.array([sample.mean for sample in samples])
    variances = np.array([sample.std for sample in samples]) ** 2
    quantiles = np.array([sample.quantiles for sample in samples])
    low, median, high = (
        rounded(_find_percentile(quantiles, np.array(QUANTILE_LEVELS), p)) for p in (0.005, 0.5, 0.995)
    )
    return Intensities(
        mean=rounded(means.mean()),
        std=rounded(np.sqrt(variances.mean() + means.var())),
        min=rounded(quantiles[:, 0].min()),
        max=rounded(quantiles[:, -1].max()),
        median=median,
        percentile_00_5=low,
        percentile_99_5=high,
    )


def _find_percentile(quantiles: np.ndarray, levels: np.ndarray, share: float) -> float:
    """The smallest intensity that `share` of the mixture does not exceed; quantiles (n_cases, n_levels)."""
    low, high = float(quantiles.min()), float(quantiles.max())
    for _ in range(N_BISECTIONS):
        middle = low + (high - low) / 2
        if _share_up_to(quantiles, levels, middle) < share:
            low = middle
        else:
            high = middle
    return high


def _share_up_to(quantiles: np.ndarray, levels: np.ndarray, intensity: float) -> float:
    """Share of the mixture that is at most `intensity`."""
    above = (quantiles <= intensity).sum(axis=1)
    left, right = np.clip(above - 1, 0, None), np.clip(above, None, levels.size - 1)
    rows = np.arange(len(quantiles))
    start, width = quantiles[rows, left], quantiles[rows, right] - quantiles[rows, left]
    step = np.divide(intensity - start, width, out=np.zeros_like(width), where=width > 0)
    shares = levels[left] + np.clip(step, 0, 1) * (levels[right] - levels[left])
    return float(np.where(above == 0, 0.0, shares).mean())


def rounded(value: float) -> float:
    """Six significant digits: what is written is what is computed with, and finer than the noise of any scanner."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
