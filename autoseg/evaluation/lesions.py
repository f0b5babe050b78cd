"""How many lesions were found, how many missed, and how many invented?

A lesion is a connected component of a label's mask: voxels that share a face, an edge or a corner. A predicted
component finds a reference component where their intersection over union is at least `options.lesion_iou`, and each
finds, or is found by, one other at most: as many pairs as possible, and of those assignments the one with the greatest
sum of intersection over union (Maier-Hein et al., Metrics reloaded, Nature Methods 2024: object detection with
assignment by overlap). So one blob over three lesions finds one of them, and three crumbs in one lesion are one hit and
two false positives.

Components smaller than `options.min_lesion_volume_ml` are not counted on either side; where the volume of a voxel is
not known, all are counted. A predicted component that is left over, but would have found a component of the reference
that is too small to count, is neither a hit nor a false positive (as ignored objects in COCO: Lin et al., ECCV 2014).
With F the pairs, R the reference's components and P the predicted ones, both as far as they count,

    sensitivity = F / R        precision = F / P        f1 = 2 F / (R + P)        false positives = P - F

Empty is a defined case; NaN means "nothing to measure, not counted":

    reference   predicted      f1     sensitivity  precision  false positives
    none        none           NaN    NaN          NaN        0
    none        some           0      NaN          0          all of them
    some        none           0      0            NaN        0
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autoseg.evaluation.options import MetricOptions
from autoseg.evaluation.overlap import divide

PAIRS_AT_ONCE = 1000  # assigned in one call, and at least one group; its time grows with their square
VOLUME_TOLERANCE = 1e-6  # voxels: a component of exactly the least volume counts, whatever floats make of it

IntArray = np.ndarray
FloatArray = np.ndarray
Mask = np.ndarray


@dataclass(frozen=True)
class Detection:
    """Counts of connected components in one case (the table of empty cases stands above).

    Attributes:
        n_reference: lesions of the reference.
        n_predicted: lesions of the prediction, hits and false positives.
        n_found: pairs of both.
    """

    n_reference: int
    n_predicted: int
    n_found: int

    @property
    def n_false_positives(self) -> int:
        """Predicted lesions that found nothing."""
        return self.n_predicted - self.n_found

    @property
    def sensitivity(self) -> float:
        """Share of the reference's lesions that were found."""
        return divide(self.n_found, self.n_reference)

    @property
    def precision(self) -> float:
        """Share of the predicted lesions that found one."""
        return divide(self.n_found, self.n_predicted)

    @property
    def f1(self) -> float:
        """Harmonic mean of both, the Dice of lesions."""
        return divide(2 * self.n_found, self.n_reference + self.n_predicted)


def detect_lesions(reference: Mask, predicted: Mask, *, voxel_volume_ml: float, options: MetricOptions) -> Detection:
    """Count the lesions of one label or region that a prediction finds.

    Args:
        reference, predicted: bool, same shape, 2D or 3D: the image, or any box that both lie in. Voxels that the
            reference leaves unannotated are to be false on both sides.
        voxel_volume_ml: millilitres per voxel, NaN where it is not known.
        options: the least overlap of a pair and the least volume of a lesion.
    """
    box = find_mask_box(reference | predicted)
    if box is None:
        return Detection(0, 0, 0)
    (drawn, n_drawn), (shown, n_shown) = label_components(reference[box]), label_components(predicted[box])
    sizes, shown_sizes = count_sizes(drawn, n_drawn), count_sizes(shown, n_shown)
    rows, columns, iou = _measure_overlaps(drawn, shown, sizes, shown_sizes)
    finds = iou >= options.lesion_iou
    rows, columns, iou = rows[finds], columns[finds], iou[finds]
    least = _count_least_voxels(options.min_lesion_volume_ml, voxel_volume_ml)
    counts, shown_counts = sizes >= least, shown_sizes >= least
    both = counts[rows] & shown_counts[columns]
    found = assign(rows[both], columns[both], iou[both])
    excused = np.setdiff1d(columns[~counts[rows] & shown_counts[columns]], columns[both][found])
    n_predicted = np.count_nonzero(shown_counts) - excused.size
    return Detection(int(np.count_nonzero(counts)), int(n_predicted), found.size)


def find_mask_box(mask: Mask) -> tuple[slice, ...] | None:
    """The smallest box around a boolean mask's true voxels, any number of axes; None if there are none."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        if not filled.size:
            return None
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(box)


def label_components(mask: Mask) -> tuple[IntArray, int]:
    """Number the connected components 1, 2, ... (0 is outside), voxels that share a corner being connected."""
    from scipy import ndimage

    components, n_components = ndimage.label(mask, structure=np.ones((3,) * mask.ndim))
    return components, n_components


def count_sizes(components: IntArray, n_components: int) -> IntArray:
    """Voxels of component 1, 2, ..."""
    return np.bincount(components[components > 0], minlength=n_components + 1)[1:]


def _count_least_voxels(least_ml: float, voxel_volume_ml: float) -> int:
    known = voxel_volume_ml > 0
    return math.ceil(least_ml / voxel_volume_ml - VOLUME_TOLERANCE) if known else 0


def _measure_overlaps(
    drawn: IntArray, shown: IntArray, sizes: IntArray, shown_sizes: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs of components, counted from 0, that share a voxel, and their intersection over union."""
    from scipy import sparse

    shared = (drawn > 0) & (shown > 0)
    places = drawn[shared] - 1, shown[shared] - 1
    ones = np.ones(places[0].size, dtype=np.int32)
    table = sparse.coo_array((ones, places), shape=(sizes.size, shown_sizes.size)).tocsr().tocoo()  # sums up
    rows, columns = table.coords
    return rows, columns, table.data / (sizes[rows] + shown_sizes[columns] - table.data)


def assign(rows: IntArray, columns: IntArray, iou: FloatArray) -> IntArray:
    """Choose pairs so that no row and no column is chosen twice: most pairs first, then the greatest sum of IoU.

    Args:
        rows, columns: integers (n,), the pairs that are allowed, each once.
        iou: float (n,), 0..1, of the pairs.

    Returns:
        Indices of the chosen pairs. Pairs that share neither end with another are chosen as they are; the others are
        assigned some groups at a time, for each call looks at every row and column that it is given.
    """
    if not rows.size:
        return np.zeros(0, dtype=np.int64)
    group = _find_groups(rows, columns)
    order = np.argsort(group, kind="stable")
    is_alone = np.bincount(group)[group[order]] == 1
    chosen, rest = [order[is_alone]], order[~is_alone]
    batch = np.searchsorted(group[rest], group[rest]) // PAIRS_AT_ONCE  # by the first pair of its group
    parts = np.split(rest, np.flatnonzero(np.diff(batch)) + 1) if rest.size else []
    chosen += [part[_assign_together(rows[part], columns[part], iou[part])] for part in parts]
    return np.concatenate(chosen)


def _find_groups(rows: IntArray, columns: IntArray) -> IntArray:
    """Number the groups of pairs (n,) that hang together by shared rows and columns, from 0."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    n_rows, n_nodes = int(rows.max()) + 1, int(rows.max() + columns.max()) + 2
    edges = sparse.coo_array((np.ones(rows.size, dtype=bool), (rows, n_rows + columns)), shape=(n_nodes, n_nodes))
    groups: IntArray = connected_components(edges, directed=False)[1][rows]
    return np.unique(groups, return_inverse=True)[1]


def _assign_together(rows: IntArray, columns: IntArray, iou: FloatArray) -> IntArray:
    """One sparse assignment (Jonker and Volgenant, Computing 1987), where each row may also stay alone at a cost.

    The cost is one that no sum of overlaps outweighs, so that the most pairs are chosen.
    """
    from scipy import sparse
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    (used, row), (partners, column) = (np.unique(ends, return_inverse=True) for ends in (rows, columns))
    alone = np.arange(used.size)
    costs = np.concatenate([1 + (1 - iou) / (used.size + 1), np.full(used.size, 3.0)])
    ends = np.concatenate([row, alone]), np.concatenate([column, partners.size + alone])
    graph = sparse.csr_array((costs, ends), shape=(used.size, partners.size + used.size))
    found = min_weight_full_bipartite_matching(graph)[1]
    return np.flatnonzero(found[row] == column)
