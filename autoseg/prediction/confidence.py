"""How sure is a prediction of each label, by its own account?

Three figures per label or region, each on the segmentation as the networks made it, before postprocessing:

    agreement          mean Dice over the pairs of an ensemble's networks. Counted on the windows by `sliding_window`,
                       where every network of a configuration sees the same; networks of different configurations
                       never see one window, and their pairs are not counted.
    boundary_entropy   entropy of the probabilities over its largest value: mean over all voxel faces between the
                       label and what is not it, of the mean of the two voxels that share the face. Both sides count,
                       for the true border lies on either. The border of the image is no face.
    expected_dice      2 * sum of p over the predicted voxels / (predicted voxels + sum of p over all): what Dice would
                       be if the probabilities were right and voxels independent.

All faces are counted in one pass, by the pair of labels that they part: the table has an entry per pair, whatever the
volume, and every label or region is read off it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autoseg.data.labels import Labels
from autoseg.evaluation.report import LabelConfidence
from autoseg.prediction.restoring.restore import Restored
from autoseg.prediction.windows.agreement import Agreement

PLANE_BYTES = 2**24  # of the segmentation, worked on at once; a single plane is the least
LARGEST_ENTROPY = 255.0  # how 1 is stored

Array = np.ndarray


@dataclass(frozen=True)
class Faces:
    """Faces between voxels of different labels, by the pair: symmetric (n_labels, n_labels), zero on the diagonal.

    Attributes:
        counts: number of faces.
        entropies: sum over them of the mean entropy of both voxels, 0..1 each.
    """

    counts: Array
    entropies: Array

    def measure_mean(self, labels: Sequence[int]) -> float | None:
        """Mean entropy along the boundary of a union of labels, None where it has none."""
        inside = np.zeros(len(self.counts), dtype=bool)
        inside[list(labels)] = True
        border = np.ix_(inside, ~inside)
        n_faces = self.counts[border].sum()
        return float(self.entropies[border].sum() / n_faces) if n_faces else None


def measure_confidence(
    restored: Restored, agreement: Sequence[Agreement | None], labels: Labels, voxel_volume_ml: float
) -> tuple[LabelConfidence, ...]:
    """Measure how sure a prediction is of every foreground label, or of every region.

    Args:
        restored: with entropy and softness, or what of them is wanted.
        agreement: of each configuration of the ensemble; None for one with a single network.
        labels: what the segmentation holds.
        voxel_volume_ml: millilitres per voxel, NaN where the image has no spacing.
    """
    n_voxels = count_voxels(restored.segmentation, labels.n_labels)
    faces = (
        None if restored.entropy is None else measure_faces(restored.segmentation, restored.entropy, labels.n_labels)
    )
    agreed = average_agreement(agreement)
    first = labels.n_outputs - len(labels.targets)
    found = []
    for output, (name, its) in enumerate(labels.targets, start=first):
        n = int(n_voxels[list(its)].sum())
        found.append(
            LabelConfidence(
                label=name,
                n_voxels=n,
                volume_ml=None if math.isnan(voxel_volume_ml) else n * voxel_volume_ml,
                agreement=agreed[output] if agreed else None,
                boundary_entropy=None if faces is None else faces.measure_mean(its),
                expected_dice=_expect_dice(restored, output),
            )
        )
    return tuple(found)


def _expect_dice(restored: Restored, output: int) -> float | None:
    sums = restored.softness
    if sums is None or not (whole := float(sums.n_predicted[output] + sums.total[output])):
        return None
    return min(1.0, 2 * float(sums.inside[output]) / whole)  # rounding of many float32 may pass 1


def average_agreement(agreement: Sequence[Agreement | None]) -> tuple[float | None, ...]:
    """Mean Dice per output over the pairs of all configurations; nothing where no configuration has several networks.

    A configuration counts with its number of pairs; an output that no member of it finds does not count there.
    """
    counted = [each for each in agreement if each is not None and each.n_members > 1]
    weights = [each.n_members * (each.n_members - 1) / 2 for each in counted]
    by_output = zip(*(each.mean_pairwise_dice() for each in counted), strict=True)
    return tuple(_average(dices, weights) for dices in by_output)


def _average(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    return sum(value * weight for value, weight in pairs) / sum(weight for _, weight in pairs) if pairs else None


def count_voxels(segmentation: Array, n_labels: int) -> Array:
    """Voxels of each label, int64 (n_labels,), a few planes at a time."""
    counts = np.zeros(n_labels, dtype=np.int64)
    for planes in _split_into_planes(segmentation):
        counts += np.bincount(segmentation[planes].ravel(), minlength=n_labels)
    return counts


def measure_faces(segmentation: Array, entropy: Array, n_labels: int) -> Faces:
    """Count the faces between voxels of different labels, and sum the entropy along them.

    Args:
        segmentation: integer labels 0..n_labels-1, (Z, Y, X).
        entropy: uint8 (Z, Y, X), 255 is the largest.
        n_labels: number of labels, background included.
    """
    counts, entropies = np.zeros((2, n_labels * n_labels))
    for planes in _split_into_planes(segmentation):
        reaching = slice(planes.start, planes.stop + 1)  # faces to the plane after these are counted here
        for axis in range(3):
            own = planes if axis else reaching
            pairs, sums = _find_faces(segmentation[own], entropy[own], n_labels, axis)
            counts += np.bincount(pairs, minlength=counts.size)
            entropies += np.bincount(pairs, sums, entropies.size)
    tables = [table.reshape(n_labels, n_labels) for table in (counts, entropies / (2 * LARGEST_ENTROPY))]
    return Faces(*(table + table.T for table in tables))


def _find_faces(segmentation: Array, entropy: Array, n_labels: int, axis: int) -> tuple[Array, Array]:
    """Of each face along an axis: which labels it parts, and the sum of the entropies of its two voxels."""
    before = tuple(slice(None, -1) if each == axis else slice(None) for each in range(3))
    after = tuple(slice(1, None) if each == axis else slice(None) for each in range(3))
    differs = segmentation[before] != segmentation[after]
    pairs = segmentation[before][differs].astype(np.int64) * n_labels + segmentation[after][differs]
    return pairs, entropy[before][differs].astype(np.float64) + entropy[after][differs]


def _split_into_planes(segmentation: Array) -> Iterator[slice]:
    n_planes = max(1, PLANE_BYTES // max(1, segmentation[:1].nbytes))
    for start in range(0, len(segmentation), n_planes):
        yield slice(start, min(start + n_planes, len(segmentation)))
