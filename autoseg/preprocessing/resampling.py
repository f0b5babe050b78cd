"""How does a volume move to another grid, fast and in little memory?

Spline interpolation on a regular grid is linear and separable: along one axis it is a matrix (n_out, n_in), prefilter
and boundary included, and a volume is resampled by one matrix product per axis. The matrices are read off
`scipy.ndimage.zoom` (grid mode, boundary `nearest`), so that the values are its own; nnU-Net's way through
`skimage.transform.resize` calls the same zoom. No anti-aliasing, as there. Spline order 0 to 3; 0 is nearest neighbour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from autoseg.data.labels import IGNORED

NEGLIGIBLE_WEIGHT = 1e-8  # below float32's resolution of a weighted mean; a cubic spline decays to it within 15 voxels
ROWS_AT_ONCE = 64  # a block of matrix rows sees a narrow band of columns: less arithmetic, still large products
SLAB_VOXELS = 1 << 20
TIE = 1e-6  # label weights nearer than this are equal: float32 sums of one and the same fraction differ by less

Array = np.ndarray
Matrices = tuple[Array | None, ...]
Slices = tuple[slice, ...]
Vote = Literal["smallest", "nearest"]


def resample(
    volume: Array, new_shape: Sequence[int], order: int, *, separate_axis: int | None = None, separate_order: int = 0
) -> Array:
    """Interpolate a volume on another grid of the same extent.

    Args:
        volume: (Z, Y, X), any real type.
        new_shape: voxels per axis of the result.
        order: spline order 0..3.
        separate_axis: the axis that is interpolated with `separate_order` instead, None for no such axis.
        separate_order: 0 takes the nearest slice, at `scale * (i + 0.5) - 0.5`.

    Returns:
        float32 array of `new_shape` within the range of the input: a spline's overshoot is clipped. With a separate
        axis each slice across it is a picture of its own, and clipped to its own range before slices are interpolated.
    """
    volume = np.ascontiguousarray(volume, dtype=np.float32)
    if volume.shape == tuple(new_shape):
        return volume.copy()
    matrices = compute_matrices(volume.shape, new_shape, axis_orders(order, separate_axis, separate_order))
    if separate_axis is None:
        return _apply_clipped(volume, matrices, axes=(0, 1, 2))
    across = tuple(axis for axis in range(3) if axis != separate_axis)
    in_plane = tuple(None if axis == separate_axis else matrix for axis, matrix in enumerate(matrices))
    through = tuple(matrix if axis == separate_axis else None for axis, matrix in enumerate(matrices))
    return _apply_clipped(_apply_clipped(volume, in_plane, axes=across), through, axes=(0, 1, 2))


def _apply_clipped(volume: Array, matrices: Matrices, axes: tuple[int, ...]) -> Array:
    """Multiply by the matrices, and clip to the range that the volume has along these axes."""
    if all(matrix is None for matrix in matrices):
        return volume
    low, high = volume.min(axis=axes, keepdims=True), volume.max(axis=axes, keepdims=True)
    middle = volume.min() / 2 + volume.max() / 2  # taken off, so that a large offset does not eat float32's digits
    result = apply_matrices(volume - middle, matrices)
    result += middle
    return np.clip(result, low, high, out=result)


def resample_labels(
    segmentation: Array,
    new_shape: Sequence[int],
    order: int = 1,
    *,
    separate_axis: int | None = None,
    separate_order: int = 0,
    vote: Vote = "smallest",
) -> Array:
    """Interpolate the mask of every label and let each voxel take the label that weighs most.

    Slab by slab and one label at a time, inside its bounding box, with a running maximum: beside the result, memory
    grows neither with the volume nor with the number of labels. Of equal weights the smaller label wins. `IGNORED` is
    no label like the others: a voxel is ignored if more than half of its weight is, so that a single annotated slice
    among ignored ones is not lost on a coarser grid.

    Args:
        segmentation: (Z, Y, X) integer array.
        new_shape, order, separate_axis, separate_order: as for `resample`.
        vote: `smallest` as above. `nearest` is what nnU-Net does with batchgenerators 0.25.5: of equal weights the
            label of the nearest voxel wins if it is among them, the smallest otherwise; and `IGNORED` is a label like
            the others.

    Returns:
        array of `new_shape` and the input's type; it holds no label that the input does not hold.
    """
    if segmentation.shape == tuple(new_shape):
        return segmentation.copy()
    first, *others = compute_matrices(segmentation.shape, new_shape, axis_orders(order, separate_axis, separate_order))
    boxes = dict(find_label_boxes(segmentation))
    indices = _find_nearest(segmentation.shape, new_shape) if vote == "nearest" else None
    alike = boxes.keys() if vote == "nearest" else boxes.keys() - {IGNORED}
    result = np.full(new_shape, min(alike, default=IGNORED), dtype=segmentation.dtype)
    for slab in cut_slabs(tuple(slice(0, length) for length in new_shape)):
        rows = slab[0]
        columns, matrix = (rows, None) if first is None else _cut_band(first[rows])
        nearest = None if indices is None else segmentation[np.ix_(indices[0][rows], *indices[1:])]
        _vote(segmentation[columns], _clip_boxes(boxes, columns), (matrix, *others), result[rows], nearest)
    return result


def _find_nearest(shape: Sequence[int], new_shape: Sequence[int]) -> list[Array]:
    """For each axis and each voxel of the new grid, the nearest voxel of the old one."""
    return [compute_matrix(n_in, n_out, 0).argmax(axis=1) for n_in, n_out in zip(shape, new_shape, strict=True)]


def _cut_band(matrix: Array) -> tuple[slice, Array]:
    """The columns that rows of a matrix use, and the matrix of these alone."""
    columns = find_band(matrix)
    return columns, matrix[:, columns]


def _clip_boxes(boxes: Mapping[int, Slices], columns: slice) -> dict[int, Slices]:
    """The part of each label's box that lies in a range of the first axis, counted from its start."""
    clipped: dict[int, Slices] = {}
    for label, (first, *others) in boxes.items():
        start, stop = max(first.start, columns.start), min(first.stop, columns.stop)
        if start < stop:
            clipped[label] = (slice(start - columns.start, stop - columns.start), *others)
    return clipped


def _vote(
    segmentation: Array, boxes: dict[int, Slices], matrices: Matrices, result: Array, nearest: Array | None
) -> None:
    """Write into `result` the label that weighs most at each voxel, and `IGNORED` where it weighs more than half.

    With the nearest label of each voxel, it wins where none weighs more, and `IGNORED` takes part like any other.
    """
    heaviest = np.zeros(result.shape, dtype=np.float32)
    of_nearest = None if nearest is None else np.zeros(result.shape, dtype=np.float32)
    ignored = boxes.pop(IGNORED, None) if nearest is None else None
    for label, box in boxes.items():
        reached, weights = _weigh(segmentation, label, box, matrices)
        heavier = weights > heaviest[reached] + TIE
        np.copyto(heaviest[reached], weights, where=heavier)
        result[reached][heavier] = label
        if nearest is not None and of_nearest is not None:
            np.copyto(of_nearest[reached], weights, where=nearest[reached] == label)
    if ignored is not None:
        reached, weights = _weigh(segmentation, IGNORED, ignored, matrices)
        result[reached][weights > 0.5 + TIE] = IGNORED
    if nearest is not None and of_nearest is not None:
        np.copyto(result, nearest, where=of_nearest >= heaviest - TIE)


def _weigh(segmentation: Array, label: int, box: Slices, matrices: Matrices) -> tuple[Slices, Array]:
    """Where a label reaches on the new grid, and its interpolated mask there."""
    reached, parts = _restrict(matrices, box)
    return reached, apply_matrices((segmentation[box] == label).astype(np.float32), parts)


def find_label_boxes(segmentation: Array) -> Iterator[tuple[int, Slices]]:
    """Yield every label of a segmentation with its bounding box, smallest label first."""
    from scipy import ndimage

    before = int(segmentation.min()) - 1
    found: dict[int, Slices] = {}
    for slab in cut_slabs(tuple(slice(0, length) for length in segmentation.shape)):
        boxes = ndimage.find_objects(np.subtract(segmentation[slab], before, dtype=np.int32))
        for label, box in enumerate(boxes, start=before + 1):
            if box is not None:
                first = slice(box[0].start + slab[0].start, box[0].stop + slab[0].start)
                found[label] = _unite(found.get(label), (first, *box[1:]))
    yield from sorted(found.items())


def cut_slabs(box: Slices) -> Iterator[Slices]:
    """Cut a box along its first axis into slabs of about a million voxels, in order: what a pass over it may hold."""
    first, *others = box
    n_slices = max(1, SLAB_VOXELS // math.prod(axis.stop - axis.start for axis in others))
    for start in range(first.start, first.stop, n_slices):
        yield (slice(start, min(start + n_slices, first.stop)), *others)


def _unite(box: Slices | None, other: Slices) -> Slices:
    """The smallest box around two."""
    if box is None:
        return other
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(box, other, strict=True))


def axis_orders(order: int, separate_axis: int | None, separate_order: int) -> tuple[int, int, int]:
    """Spline order along each of three axes."""
    first, second, third = (separate_order if axis == separate_axis else order for axis in range(3))
    return (first, second, third)


def compute_matrices(shape: Sequence[int], new_shape: Sequence[int], orders: Sequence[int]) -> Matrices:
    """One interpolation matrix per axis; None where the axis keeps its voxels."""
    return tuple(
        None if n_in == n_out else compute_matrix(n_in, n_out, order)
        for n_in, n_out, order in zip(shape, new_shape, orders, strict=True)
    )


@lru_cache(maxsize=64)
def compute_matrix(n_in: int, n_out: int, order: int) -> Array:
    """The linear map (n_out, n_in) of spline interpolation along an axis: column j is what an impulse at j becomes."""
    from scipy import ndimage

    matrix = np.empty((n_out, n_in), dtype=np.float32)
    impulse = np.zeros(n_in)
    for j in range(n_in):
        impulse[j] = 1.0
        matrix[:, j] = ndimage.zoom(impulse, n_out / n_in, order=order, mode="nearest", grid_mode=True)
        impulse[j] = 0.0
    matrix[np.abs(matrix) < NEGLIGIBLE_WEIGHT] = 0.0
    matrix.setflags(write=False)
    return matrix


def apply_matrices(volume: Array, matrices: Matrices) -> Array:
    """Multiply a float32 array by one matrix per trailing axis, shrinking axes first to keep intermediates small.

    Args:
        volume: (..., n_in_0, n_in_1, n_in_2), any number of leading axes.
        matrices: (n_out, n_in) or None for each of the trailing axes.
    """
    leading = volume.ndim - len(matrices)
    growth = {axis: matrix.shape[0] / matrix.shape[1] for axis, matrix in enumerate(matrices) if matrix is not None}
    for axis in sorted(growth, key=growth.__getitem__):
        matrix = matrices[axis]
        assert matrix is not None
        volume = _apply_along(volume, matrix, leading + axis)
    return volume


def _apply_along(volume: Array, matrix: Array, axis: int) -> Array:
    before, after = volume.shape[:axis], volume.shape[axis + 1 :]
    n_out, n_in = matrix.shape
    n_before, n_after = math.prod(before), math.prod(after)
    result = np.empty((*before, n_out, *after), dtype=np.float32)
    is_last = not after
    source = volume.reshape(n_before, n_in) if is_last else volume.reshape(n_before, n_in, n_after)
    target = result.reshape(n_before, n_out) if is_last else result.reshape(n_before, n_out, n_after)
    for start in range(0, n_out, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        columns = find_band(matrix[rows])
        if is_last:
            np.matmul(source[:, columns], matrix[rows, columns].T, out=target[:, rows])
        else:
            np.matmul(matrix[rows, columns], source[:, columns], out=target[:, rows])
    return result


def find_band(matrix: Array) -> slice:
    """The columns that a block of rows uses: from the first non-zero one to the last."""
    return _span((matrix != 0).any(axis=0))


def _restrict(matrices: Matrices, box: Slices) -> tuple[Slices, Matrices]:
    """The part of the new grid that the voxels of a box reach, and the matrices from the one to the other."""
    reached: list[slice] = []
    parts: list[Array | None] = []
    for matrix, columns in zip(matrices, box, strict=True):
        rows = columns if matrix is None else _span((matrix[:, columns] != 0).any(axis=1))
        reached.append(rows)
        parts.append(None if matrix is None else matrix[rows, columns])
    return tuple(reached), tuple(parts)


def _span(used: np.ndarray | np.bool) -> slice:
    """From the first True to the last; empty where there is none, as when nearest neighbours jump over a label."""
    positions = np.flatnonzero(used)
    return slice(int(positions[0]), int(positions[-1]) + 1) if positions.size else slice(0, 0)
