"""How much do a reference and a predicted segmentation overlap, label by label or region by region?

Everything follows from one count: how many voxels carry label i in the reference and label j in the prediction. With
R the voxels of a label in the reference and P those predicted,

    dice = 2 |R and P| / (|R| + |P|)        jaccard = |R and P| / |R or P|
    precision = |R and P| / |P|             recall = |R and P| / |R|

(Dice 1945; Jaccard 1912; Maier-Hein et al., Metrics reloaded, Nature Methods 2024). Empty is a defined case; NaN means
"nothing to measure, not counted":

    reference   predicted      dice  jaccard  precision  recall
    empty       empty          NaN   NaN      NaN        NaN
    empty       something      0     0        0          NaN
    something   empty          0     0        NaN        0
    anything    missing file   0     0        0          0

Volumes are in millilitres, the volume error is predicted minus reference; the predicted volume of a missing file is 0,
so that its error is minus the reference, and none where that is empty. Voxels that the reference leaves unannotated
(`IGNORED`) are outside of every count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoseg.data.labels import IGNORED

CountArray = np.ndarray  # int64 (n_labels, n_labels): [reference, predicted]
IntArray = np.ndarray
FloatArray = np.ndarray

VOXELS_AT_ONCE = 1 << 20  # of 64-bit pairs of labels: 8 MB, which caches hold, however large the case is


@dataclass(frozen=True)
class Overlap:
    """Voxel counts of a label or region: in the reference, in the prediction, in both."""

    n_reference: int
    n_predicted: int
    n_both: int

    @property
    def dice(self) -> float:
        """Twice the shared voxels over the sum of both."""
        return divide(2 * self.n_both, self.n_reference + self.n_predicted)

    @property
    def jaccard(self) -> float:
        """Shared voxels over the voxels of either."""
        return divide(self.n_both, self.n_reference + self.n_predicted - self.n_both)

    @property
    def precision(self) -> float:
        """Share of the predicted voxels that are right."""
        return divide(self.n_both, self.n_predicted)

    @property
    def recall(self) -> float:
        """Share of the reference's voxels that were found."""
        return divide(self.n_both, self.n_reference)


def divide(part: int, whole: int) -> float:
    """A share, NaN of nothing."""
    return part / whole if whole else math.nan


def count_confusion(reference: IntArray, predicted: IntArray, n_labels: int) -> CountArray:
    """Count voxels by reference and predicted label.

    Args:
        reference: integer labels 0..n_labels-1 and `IGNORED`, any shape.
        predicted: integer labels 0..n_labels-1, same shape.
        n_labels: number of labels, background included.

    Returns:
        int64 (n_labels, n_labels); rows are reference labels, columns predicted ones.

    Raises:
        ValueError: shapes differ, or a label is outside 0..n_labels-1.
    """
    if reference.shape != predicted.shape:
        raise ValueError(f"reference has shape {reference.shape}, predicted {predicted.shape}; both must be equal.")
    reference, predicted = reference.reshape(-1), predicted.reshape(-1)
    counts = np.zeros((n_labels + 1) * n_labels, dtype=np.int64)
    for first in range(0, reference.size, VOXELS_AT_ONCE):
        part = slice(first, first + VOXELS_AT_ONCE)
        _check_range(reference[part], IGNORED, n_labels)
        _check_range(predicted[part], 0, n_labels)
        rows = reference[part].astype(np.int64) - IGNORED
        counts += np.bincount(rows * n_labels + predicted[part].astype(np.int64), minlength=counts.size)
    return counts.reshape(n_labels + 1, n_labels)[-IGNORED:]


def _check_range(labels: IntArray, lowest: int, n_labels: int) -> None:
    if labels.size and (labels.min() < lowest or labels.max() >= n_labels):
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}, but must lie in 0..{n_labels - 1}.")


def overlap_of(confusion: CountArray, labels: Sequence[int]) -> Overlap:
    """Read the overlap of a label, or of the union of several, off the confusion count."""
    its = list(labels)
    return Overlap(
        n_reference=int(confusion[its].sum()),
        n_predicted=int(confusion[:, its].sum()),
        n_both=int(confusion[np.ix_(its, its)].sum()),
    )


def reward_right_empties(one: FloatArray, other: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Make two sets of scores of the same cases comparable where only one of a pair is defined.

    Then the reference is empty, and the undefined one left it empty as it should while the other did not: rightly
    empty counts as 1 there. Where neither is defined there is nothing to compare, and both stay NaN.

    Args:
        one, other: scores such as Dice, same shape, NaN where undefined.
    """
    only_one = np.isnan(one) != np.isnan(other)
    return np.where(only_one & np.isnan(one), 1.0, one), np.where(only_one & np.isnan(other), 1.0, other)
