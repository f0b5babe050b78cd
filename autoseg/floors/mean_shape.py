"""How far does knowing where a label usually lies lead, without a look at the image?

Every mask is laid on a common grid, corner on corner, whatever the shape of its image, and averaged over the training
cases: the prior is the share of cases that have the label there, of those whose reference says anything there. Where a
grid is coarser, a voxel is the mean of those that it covers, so that a thin structure is thinned out and not lost;
where it is finer, values are interpolated linearly between voxel centres. A case is segmented by the prior on its own
grid: a voxel belongs to a label where the prior reaches a threshold, the one out of 101 with the best Dice over the
training cases' voxels together; where several labels do, the more probable one wins. Regions are painted in their
declared order instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse

from autoseg.errors import DatasetError
from autoseg.floors.cases import FloorCase, ReadCases, Target, find_supervised, find_target, paint

MAX_PRIOR_VALUES = 1 << 26  # of all targets together: 256 MB, and the counts as much again
MAX_PRIOR_SIDE = 128  # voxels: masks averaged over cases have no finer detail
N_THRESHOLDS = 101  # 0, 0.01, ..., 1; the first would take everything and is never chosen over a better one

Array = np.ndarray
Shape = tuple[int, ...]


@dataclass(frozen=True)
class MeanShape:
    """Where targets usually lie.

    Attributes:
        targets: in the order of painting.
        prior: share of training cases, float32 (target, Z, Y, X) on the common grid.
        thresholds: of the prior, one for each target; above 1 for one that no case has.
        are_regions: whether targets may overlap.
    """

    targets: tuple[Target, ...]
    prior: Array
    thresholds: tuple[float, ...]
    are_regions: bool

    def segment(self, shape: Shape) -> Array:
        """Labels int16 of an image of this shape (Z, Y, X)."""
        if self.are_regions:
            claims = [
                (target, lay(prior, shape) >= threshold)
                for target, prior, threshold in zip(self.targets, self.prior, self.thresholds, strict=True)
            ]
            return paint(claims, shape)
        return self._choose_most_probable(shape)

    def _choose_most_probable(self, shape: Shape) -> Array:
        """One target's prior at a time: a hundred of them need not be held on a large grid."""
        best, claims = np.zeros(shape, dtype=np.float32), []
        for target, prior, threshold in zip(self.targets, self.prior, self.thresholds, strict=True):
            laid = lay(prior, shape)
            mask = (laid >= threshold) & (laid > best)
            best[mask] = laid[mask]
            claims.append((target, mask))
        return paint(claims, shape)


def fit_mean_shape(read_cases: ReadCases, targets: Sequence[Target], *, are_regions: bool) -> MeanShape:
    """Average the masks of the training cases, which are read three times, and choose the thresholds.

    Raises:
        DatasetError: there is no case.
    """
    shapes = [case.segmentation.shape for case in read_cases()]
    if not shapes:
        raise DatasetError("mean_shape: there is no training case to average.")
    prior = _average(read_cases, targets, _choose_grid(shapes, len(targets)))
    return MeanShape(tuple(targets), prior, _choose_thresholds(read_cases, targets, prior), are_regions)


def lay(volume: Array, shape: Shape) -> Array:
    """A volume (Z, Y, X) on another grid over the same extent: float32 of `shape`.

    Along axes that get coarser a voxel is the mean over its extent, along the others linear between voxel centres.
    """
    laid = volume.astype(np.float32)
    for axis in range(laid.ndim):
        if shape[axis] < laid.shape[axis]:
            laid = _average_blocks(laid, axis, shape[axis])
    if laid.shape == shape:
        return laid
    factors = [new / old for new, old in zip(shape, laid.shape, strict=True)]
    finer: Array = ndimage.zoom(laid, factors, order=1, mode="nearest", grid_mode=True)
    return finer


def _average_blocks(volume: Array, axis: int, n_new: int) -> Array:
    """The mean over each of `n_new` equal parts of an axis; a voxel that two of them share counts in both by its share.

    The matrix of shares (new, old) is sparse: every old voxel lies in few parts.
    """
    n_old = volume.shape[axis]
    edges_new, edges_old = np.linspace(0, n_old, n_new + 1), np.arange(n_old + 1)
    shared = np.minimum(edges_new[1:, None], edges_old[1:]) - np.maximum(edges_new[:-1, None], edges_old[:-1])
    shares = sparse.csr_array(np.maximum(shared, 0).astype(np.float32) * np.float32(n_new / n_old))
    moved = np.moveaxis(volume, axis, 0)
    averaged = shares @ moved.reshape(n_old, -1)
    return np.moveaxis(averaged.reshape(n_new, *moved.shape[1:]), 0, axis)


def _choose_grid(shapes: Sequence[Shape], n_targets: int) -> Shape:
    """The median shape, coarser where that would be too much to hold."""
    median = np.median(np.array(shapes), axis=0)
    limited = np.minimum(median, MAX_PRIOR_SIDE)
    shrink = min(1.0, (MAX_PRIOR_VALUES / (n_targets * math.prod(limited.tolist()))) ** (1 / 3))
    return tuple(max(1, round(float(side) * (shrink if side > 1 else 1.0))) for side in limited)


def _average(read_cases: ReadCases, targets: Sequence[Target], grid: Shape) -> Array:
    """Share of the cases that have a target there, of those that annotate it and say anything there."""
    prior = np.zeros((len(targets), *grid), dtype=np.float32)
    n_cases = np.zeros_like(prior)
    for case in read_cases():
        known = lay(find_supervised(case), grid)
        for at, target in enumerate(targets):
            if case.annotated[at]:
                prior[at] += lay(find_target(case, target), grid)
                n_cases[at] += known
    np.divide(prior, n_cases, out=prior, where=n_cases > 0)
    return prior


def _choose_thresholds(read_cases: ReadCases, targets: Sequence[Target], prior: Array) -> tuple[float, ...]:
    inside = np.zeros((len(targets), N_THRESHOLDS), dtype=np.int64)
    everything = np.zeros_like(inside)
    for case in read_cases():
        for at, target in enumerate(targets):
            if case.annotated[at]:
                counted = _count_steps(case, target, prior[at])
                inside[at] += counted[0]
                everything[at] += counted[1]
    return tuple(choose_threshold(*counts) for counts in zip(inside, everything, strict=True))


def _count_steps(case: FloorCase, target: Target, prior: Array) -> tuple[Array, Array]:
    """Voxels of the target, and all, by the highest threshold that the prior reaches there."""
    supervised = find_supervised(case)
    steps = np.floor(lay(prior, case.segmentation.shape)[supervised] * (N_THRESHOLDS - 1) + 1e-4).astype(np.int64)
    steps = np.clip(steps, 0, N_THRESHOLDS - 1)
    mask = find_target(case, target)[supervised]
    return np.bincount(steps[mask], minlength=N_THRESHOLDS), np.bincount(steps, minlength=N_THRESHOLDS)


def choose_threshold(inside: Array, everything: Array) -> float:
    """The threshold with the best Dice; above 1 where there is no voxel to find.

    Args:
        inside, everything: voxels of the target, and all, by the highest of `N_THRESHOLDS` that the prior reaches.
    """
    if not inside.any():
        return math.inf
    hits, taken = inside[::-1].cumsum()[::-1], everything[::-1].cumsum()[::-1]
    dice = 2.0 * hits / (taken + hits[0])
    return max(float(int(dice.argmax()) / (N_THRESHOLDS - 1)) - 1e-4 / (N_THRESHOLDS - 1), 0.0)
