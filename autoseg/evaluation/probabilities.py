"""Does a probability of 0.8 come true in eight voxels of ten?

For one label or region against the rest, with probabilities p and the reference y, 0 or 1, over N voxels:

    ECE   = sum over bins of |sum of p - sum of y| / N      expected calibration error, 0..1, 0 is best
    Brier = sum of (p - y)^2 / N                            0..1, 0 is best

The bins of the ECE are `n_bins` of equal width over p, each with its upper edge (Guo et al., ICML 2017, there over the
confidence of the winning class). A constant p that is right on average has ECE 0; the Brier score (Monthly Weather
Review 1950) also asks whether p tells voxels apart. Both are among the calibration metrics of Maier-Hein et al.,
Metrics reloaded, Nature Methods 2024.

Over which voxels? Over all of an image both are swamped: most of it is background that every method is right about.
Over the reference's foreground alone, inventions cost nothing. Over a box around everything predicted, one far mistake
makes the box larger and the score better. So a voxel counts where

    the reference lies within `REACH` voxels of the finest spacing, in a cuboid, or p is at least `PROBABLE`,

and it is annotated. The first part is the same for all methods and holds the boundary and everything missed; the second
holds everything invented, wherever it is, so that all bins above `PROBABLE` are those of the whole image. Below, only
the surroundings are seen, where foreground is more frequent than elsewhere: the price of leaving easy voxels out.
Nothing to count (no reference, and nothing probable) is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoseg.data.geometry import Geometry, Spacing
from autoseg.data.probability_reading import read_probabilities
from autoseg.evaluation.definitions import PROBABLE, REACH
from autoseg.evaluation.lesions import find_mask_box

EDGE_TOLERANCE = 1e-4  # of a bin: k/255 in float32 lies on an edge of 15 bins, or just beside it

FloatArray = np.ndarray
Mask = np.ndarray


@dataclass(frozen=True)
class Calibrated:
    """How far probabilities can be believed; NaN where no voxel was counted.

    Attributes:
        ece: expected calibration error, 0..1.
        brier: mean squared difference, 0..1.
        n_voxels: that were counted.
    """

    ece: float
    brier: float
    n_voxels: int


class CalibrationSums:
    """What is kept of the voxels seen so far: three sums per bin, and the squares."""

    def __init__(self, n_bins: int) -> None:
        self._n_voxels = np.zeros(n_bins, dtype=np.int64)
        self._probability = np.zeros(n_bins)
        self._reference = np.zeros(n_bins)
        self._squares = 0.0

    def add(self, probability: FloatArray, reference: Mask) -> None:
        """Take more voxels: probabilities 0..1, and booleans of the same shape."""
        p, y = probability.ravel(), reference.ravel()
        n_bins = self._n_voxels.size
        bins = np.clip(np.ceil(p * n_bins - EDGE_TOLERANCE).astype(np.int64) - 1, 0, n_bins - 1)
        self._n_voxels += np.bincount(bins, minlength=n_bins)
        self._probability += np.bincount(bins, p, minlength=n_bins)
        self._reference += np.bincount(bins, y, minlength=n_bins)
        self._squares += float(np.square(p - y, dtype=np.float64).sum())

    def measure(self) -> Calibrated:
        """The scores of all voxels taken."""
        n = int(self._n_voxels.sum())
        if not n:
            return Calibrated(math.nan, math.nan, 0)
        return Calibrated(float(np.abs(self._probability - self._reference).sum() / n), self._squares / n, n)


def measure_file(
    path: Path, reference: Mask, *, geometry: Geometry, n_bins: int, annotated: Mask | None = None
) -> Calibrated:
    """Score a probability file over the voxels that count, one slab in memory at a time.

    Args:
        path: of one label or region of one case, as `find_probabilities` names it.
        reference: bool (Z, Y, X) of the same label or region.
        geometry: of the reference.
        n_bins: of the ECE, at least 1.
        annotated: bool (Z, Y, X), the voxels that the reference annotates; None for all.

    Raises:
        DatasetError: the file is missing, damaged, no probabilities, or lies on another grid.
    """
    near, sums = mark_surroundings(reference, geometry.spacing), CalibrationSums(n_bins)
    for rows, probability in read_probabilities(path, geometry):
        counts = near[rows] | (probability >= PROBABLE)
        if annotated is not None:
            counts &= annotated[rows]
        sums.add(probability[counts], reference[rows][counts])
    return sums.measure()


def mark_surroundings(reference: Mask, spacing: Spacing) -> Mask:
    """Mark a mask (Z, Y, X) and what lies within `REACH` voxels of the finest spacing of it, along every axis."""
    reach = [round(REACH * min(spacing) / step) for step in spacing]
    near = np.zeros_like(reference)
    box = find_mask_box(reference)
    if box is None:
        return near
    grown = tuple(
        slice(max(0, side.start - n), min(length, side.stop + n))
        for side, n, length in zip(box, reach, reference.shape, strict=True)
    )
    near[grown] = reference[grown]
    _widen(near[grown], 0, reach[0])
    for plane in near[grown]:  # one at a time, which the cache holds
        _widen(plane, 0, reach[1])
        _widen(plane, 1, reach[2])
    return near


def _widen(mask: Mask, axis: int, n: int) -> None:
    """Dilate a mask in place by n voxels along an axis, to both sides."""
    along = np.moveaxis(mask, axis, 0)
    original = along.copy()
    for shift in range(1, n + 1):
        along[shift:] |= original[:-shift]
        along[:-shift] |= original[shift:]
