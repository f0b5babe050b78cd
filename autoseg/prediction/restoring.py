"""How do logits on the network grid become a segmentation on the original grid, in bounded memory?

Source: Isensee et al., Nature Methods 2021; method part 5: resample the logits, then take the largest. Resampling is a
matrix per axis, so any block of the result can be computed from the few network rows that its own matrix rows use. The
result is made block by block: memory does not grow with the volume, and more labels mean smaller blocks. The same
matrices lead from a low-resolution network's grid to that of the cascade which builds on it.

Regions overlap, so that each has a probability of its own (sigmoid). Those above one half are painted one over the
other, in the order of the regions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autoseg.data.labels import LABEL_DTYPE, Region
from autoseg.errors import UsageError
from autoseg.planning.choices import Resampling
from autoseg.preprocessing.preprocess import Axes3, Placement
from autoseg.preprocessing.resampling import Matrices, apply_matrices, axis_orders, compute_matrices, find_band

SLAB_BYTES = 2**28  # working memory of one block
BYTES_PER_LOGIT = 16  # float32, at the peak: two stages of resampling, a member's probabilities, and their sum
PROBABILITY_DTYPE = np.float16

Array = np.ndarray
Rows = tuple[slice, slice]


@dataclass(frozen=True)
class Member:
    """What one configuration says about a case.

    Attributes:
        logits: float32 (K, *network shape) in axis order.
        placement: where the network grid lies in the original image.
        resampling: the spline orders; logits follow `logits_order`, and `separate_order` along the placement's axis.
        regions: what the K outputs are, in painting order; empty where they are labels, background first.
    """

    logits: Array
    placement: Placement
    resampling: Resampling
    regions: tuple[Region, ...] = ()

    @property
    def n_outputs(self) -> int:
        return len(self.logits)

    def compute_matrices(self) -> Matrices:
        """The maps from the network grid to the crop, one per axis."""
        return self.compute_matrices_to(self.placement.cropped_shape, self.placement.separate_axis)

    def compute_matrices_to(self, shape: Axes3, separate_axis: int | None) -> Matrices:
        """The maps from the network grid to another grid over the same crop, one per axis."""
        orders = axis_orders(self.resampling.logits_order, separate_axis, self.resampling.separate_order)
        return compute_matrices(self.logits.shape[1:], shape, orders)


@dataclass(frozen=True)
class Restored:
    """A prediction on the original grid.

    Attributes:
        segmentation: int16 (Z, Y, X); background outside the crop.
        probabilities: float16 (K, Z, Y, X) if they were asked for; outside the crop background is 1, and regions are 0.
    """

    segmentation: Array
    probabilities: Array | None = None


def restore(members: Sequence[Member], *, keep_probabilities: bool = False, slab_bytes: int = SLAB_BYTES) -> Restored:
    """Bring the members' predictions to the original grid and combine them into one segmentation.

    One member: the label with the largest resampled logit. Several: the label with the largest mean probability. Of
    equal values the smaller label wins. Regions: painted where the logit is above 0, or the mean probability above 0.5.

    Args:
        members: of one case and one crop; their network grids may differ.
        keep_probabilities: whether to return them too; they take 2 bytes per output and original voxel.
        slab_bytes: working memory beside members and result; one row of the crop is the least that is worked on.

    Raises:
        UsageError: the members are not of one case, or know different labels or regions.
    """
    _require_one_case(members)
    placement, n_outputs, regions = members[0].placement, members[0].n_outputs, members[0].regions
    restored = _make_background(members[0], keep_probabilities)
    segmentation = _view_crop(restored.segmentation, placement)
    probabilities = None if restored.probabilities is None else _view_crop(restored.probabilities, placement)
    matrices = [member.compute_matrices() for member in members]
    for rows in split_into_blocks(placement.cropped_shape, slab_bytes // (BYTES_PER_LOGIT * n_outputs)):
        logits = (_resample_block(member.logits, maps, rows) for member, maps in zip(members, matrices, strict=True))
        if len(members) == 1:
            block = next(logits)
            segmentation[rows] = _choose(block, regions, threshold=0.0)
            block = _to_probabilities(block, regions) if probabilities is not None else block
        else:
            block = _average_probabilities(logits, len(members), regions)
            segmentation[rows] = _choose(block, regions, threshold=0.5)
        if probabilities is not None:
            probabilities[(slice(None), *rows)] = block
    return restored


def segment_on_grid(
    member: Member, shape: Axes3, *, separate_axis: int | None = None, slab_bytes: int = SLAB_BYTES
) -> Array:
    """The member's segmentation on the network grid of another configuration: what a cascade sees beside the image.

    Args:
        member: logits of the configuration before.
        shape: voxels of the other network grid over the same crop, in axis order.
        separate_axis: the axis between the two grids that is resampled apart, None for no such axis.
        slab_bytes: working memory beside logits and result.

    Returns:
        int16 of `shape`: the label with the largest resampled logit, of equals the smaller; or the painted regions.
    """
    matrices = member.compute_matrices_to(shape, separate_axis)
    segmentation = np.empty(shape, dtype=LABEL_DTYPE)
    for rows in split_into_blocks(shape, slab_bytes // (BYTES_PER_LOGIT * member.n_outputs)):
        segmentation[rows] = _choose(_resample_block(member.logits, matrices, rows), member.regions, threshold=0.0)
    return segmentation


def split_into_blocks(shape: Sequence[int], max_voxels: int) -> Iterator[Rows]:
    """Cut a volume along its first axis, and along its second where one plane is too much; each block has >= 1 row."""
    first, second, third = shape
    n_second = min(second, max(1, max_voxels // third))
    n_first = min(first, max(1, max_voxels // (second * third))) if n_second == second else 1
    for a in range(0, first, n_first):
        for b in range(0, second, n_second):
            yield slice(a, min(a + n_first, first)), slice(b, min(b + n_second, second))


def find_largest(values: Array) -> Array:
    """The index of the largest value along the first axis, the smaller of equals; faster there than numpy's argmax."""
    largest = values[0].copy()
    result = np.zeros(largest.shape, dtype=LABEL_DTYPE)
    for label in range(1, len(values)):
        larger = values[label] > largest
        result[larger] = label
        np.maximum(largest, values[label], out=largest)
    return result


def paint_regions(values: Array, regions: Sequence[Region], threshold: float) -> Array:
    """Labels (...) of regions (K, ...): each, in its order, paints its label where its value is above the threshold."""
    result = np.zeros(values.shape[1:], dtype=LABEL_DTYPE)
    for value, region in zip(values, regions, strict=True):
        result[value > threshold] = region.paints
    return result


def _choose(values: Array, regions: Sequence[Region], threshold: float) -> Array:
    return paint_regions(values, regions, threshold) if regions else find_largest(values)


def _resample_block(logits: Array, matrices: Matrices, rows: Rows) -> Array:
    """A block (K, ...) of the crop, from the network rows that its matrix rows use."""
    parts = list(matrices)
    for axis, wanted in enumerate(rows):
        matrix = matrices[axis]
        used = wanted if matrix is None else find_band(matrix[wanted])
        parts[axis] = None if matrix is None else matrix[wanted, used]
        logits = logits[(slice(None),) * (axis + 1) + (used,)]
    return apply_matrices(np.ascontiguousarray(logits, dtype=np.float32), tuple(parts))


def _average_probabilities(logits: Iterator[Array], n_members: int, regions: Sequence[Region]) -> Array:
    """Mean probabilities over the members, which are resampled one after the other."""
    total = _to_probabilities(next(logits), regions)
    for block in logits:
        total += _to_probabilities(block, regions)
    total /= n_members
    return total


def _to_probabilities(logits: Array, regions: Sequence[Region]) -> Array:
    """Softmax over the first axis; the sigmoid of each region."""
    return _to_sigmoid(logits) if regions else _to_softmax(logits)


def _to_sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-x)), as (1 + tanh(x / 2)) / 2, which no logit is too large for."""
    values: Array = logits * np.float32(0.5)
    np.tanh(values, out=values)
    values += 1
    values *= 0.5
    return values


def _to_softmax(logits: Array) -> Array:
    values: Array = logits - logits.max(axis=0)
    np.exp(values, out=values)
    values /= values.sum(axis=0)
    return values


def _make_background(member: Member, keep_probabilities: bool) -> Restored:
    shape = member.placement.original_shape
    segmentation = np.zeros(shape, dtype=LABEL_DTYPE)
    if not keep_probabilities:
        return Restored(segmentation)
    probabilities = np.zeros((member.n_outputs, *shape), dtype=PROBABILITY_DTYPE)
    if not member.regions:
        probabilities[0] = 1
    return Restored(segmentation, probabilities)


def _view_crop(volume: Array, placement: Placement) -> Array:
    """The crop of an original volume as a view in axis order: what is written there lands in its place."""
    leading = volume.ndim - 3
    crop = volume[(slice(None),) * leading + placement.slices]
    return crop.transpose(*range(leading), *(leading + axis for axis in placement.axis_order))


def _require_one_case(members: Sequence[Member]) -> None:
    crop = _describe_crop(members[0])
    for member in members[1:]:
        if (other := _describe_crop(member)) != crop:
            raise UsageError(
                f"An ensemble's members must predict the same crop and labels, expected {crop}, but one has {other}. "
                "Combine configurations of one plan."
            )


def _describe_crop(member: Member) -> tuple[object, ...]:
    place = member.placement
    names = tuple(region.name for region in member.regions)
    return (place.original_shape, place.box, place.axis_order, member.n_outputs, *([names] if names else []))
