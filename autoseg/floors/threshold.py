"""How far does brightness alone lead? One interval of intensities for each label, and every voxel by itself.

The interval of a label is the one, out of all intervals of all channels, with the best Dice over the voxels of all
training cases together: 2 |inside and label| / (|inside| + |label|). Histograms are enough to know it, so that cases
pass by twice: once for the range of intensities, once to be counted.

Intervals of several labels may overlap, and there the label wins whose interval is the most precise, that is, holds the
largest share of voxels that have the label: the better bet for a voxel of which nothing else is known. Regions overlap
by their nature and are painted in their declared order instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoseg.errors import DatasetError
from autoseg.floors.cases import ReadCases, Target, find_supervised, find_target, paint

N_BINS = 512  # of the range: an interval's ends are known to 0.2% of it
ONLY_BIN = 1e-6  # the width of the bins of a channel that has one value

Array = np.ndarray


@dataclass(frozen=True)
class Interval:
    """What is taken for a target: values of a channel from `low` on, and below `high`.

    Attributes:
        dice: over all voxels of the training cases.
        precision: share of the interval's training voxels that are of the target.
    """

    target: Target
    channel: int
    low: float
    high: float
    dice: float
    precision: float

    def find(self, image: Array) -> Array:
        """Voxels (Z, Y, X) of an image (C, Z, Y, X) that lie in the interval."""
        values = image[self.channel]
        return np.asarray((values >= self.low) & (values < self.high))


@dataclass(frozen=True)
class Thresholds:
    """Intervals in the order in which they are painted."""

    intervals: tuple[Interval, ...]

    def segment(self, image: Array) -> Array:
        """Labels int16 (Z, Y, X) of an image (C, Z, Y, X)."""
        return paint([(interval.target, interval.find(image)) for interval in self.intervals], image.shape[1:])


def fit_thresholds(read_cases: ReadCases, targets: Sequence[Target], *, are_regions: bool) -> Thresholds:
    """Find the best interval for each target.

    Args:
        read_cases: the training cases, read twice.
        targets: labels or regions, in the order of painting.
        are_regions: whether that order is declared; labels are ordered by the precision of their intervals.

    Raises:
        DatasetError: there is no case.
    """
    lows, highs = _measure_ranges(read_cases)
    inside, everything = _count(read_cases, targets, lows, highs)
    found = [_find_best(target, inside[at], everything[at], lows, highs) for at, target in enumerate(targets)]
    intervals = [interval for interval in found if interval is not None]
    return Thresholds(tuple(intervals if are_regions else sorted(intervals, key=lambda one: one.precision)))


def find_best_interval(inside: Array, everything: Array) -> tuple[int, int, float]:
    """The interval of bins [first, end) with the best Dice, and that Dice.

    Args:
        inside: voxels of the target in each bin.
        everything: all voxels in each bin.
    """
    hits, taken = np.append(0, np.cumsum(inside)), np.append(0, np.cumsum(everything))
    n_bins, total = len(inside), int(hits[-1])
    best = (0, n_bins, -1.0)
    for first in range(n_bins):  # all ends of an interval at once: of equals, the first that is met
        dice = 2.0 * (hits[first + 1 :] - hits[first]) / np.maximum(taken[first + 1 :] - taken[first] + total, 1)
        end = int(dice.argmax())
        if dice[end] > best[2]:
            best = (first, first + 1 + end, float(dice[end]))
    return best


def _measure_ranges(read_cases: ReadCases) -> tuple[Array, Array]:
    """Smallest and largest value of each channel."""
    ranges = [(case.image.min(axis=(1, 2, 3)), case.image.max(axis=(1, 2, 3))) for case in read_cases()]
    if not ranges:
        raise DatasetError("threshold: there is no training case to find intervals in.")
    lows, highs = (np.array(ends, dtype=np.float64) for ends in zip(*ranges, strict=True))
    return lows.min(axis=0), highs.max(axis=0)


def _count(read_cases: ReadCases, targets: Sequence[Target], lows: Array, highs: Array) -> tuple[Array, Array]:
    """Voxels (target, channel, bin) of the target, and of everything that is annotated for it."""
    inside = np.zeros((len(targets), len(lows), N_BINS), dtype=np.int64)
    everything = np.zeros_like(inside)
    for case in read_cases():
        supervised = find_supervised(case)
        masks = [find_target(case, target)[supervised] for target in targets]
        for channel, image in enumerate(case.image):
            bins = find_bins(image[supervised], lows[channel], highs[channel])
            whole = np.bincount(bins, minlength=N_BINS)
            for at, mask in enumerate(masks):
                if case.annotated[at]:
                    inside[at, channel] += np.bincount(bins[mask], minlength=N_BINS)
                    everything[at, channel] += whole
    return inside, everything


def find_bins(values: Array, low: float, high: float) -> Array:
    """The bin 0..N_BINS-1 of each value."""
    width = max((high - low) / N_BINS, ONLY_BIN)
    return np.clip(((values.astype(np.float64) - low) / width).astype(np.int64), 0, N_BINS - 1)


def _find_best(target: Target, inside: Array, everything: Array, lows: Array, highs: Array) -> Interval | None:
    """The best interval over channels; None for a target that no training case has."""
    if not inside.any():
        return None
    found = [find_best_interval(*counts) for counts in zip(inside, everything, strict=True)]
    channel = max(range(len(found)), key=lambda at: found[at][2])
    first, end, dice = found[channel]
    low, width = lows[channel], max((highs[channel] - lows[channel]) / N_BINS, ONLY_BIN)
    return Interval(
        target,
        channel,
        low=-math.inf if first == 0 else float(low + first * width),
        high=math.inf if end == N_BINS else float(low + end * width),
        dice=dice,
        precision=float(inside[channel, first:end].sum() / everything[channel, first:end].sum()),
    )
