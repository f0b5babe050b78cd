"""Into which small pieces is a grid cut, and what does each need of another grid?

Resampling is a matrix per axis, and few columns of it reach a few of its rows: a piece of the result is computed from
the voxels about it, by three small matrices. Pieces span about as many voxels of the source on every axis, so that what
lies in them is alike, and fits into a processor's cache. A device wants larger ones: whole blocks of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from autoseg.preprocessing.resampling import find_band

EDGE, EDGE_OF_FEW = 10, 16  # source voxels along an axis of a piece: small ones leave fewer of many labels over
FEW_OUTPUTS = 16
SMALLEST_PIECE = 64  # voxels; below, more time goes into calls than into arithmetic

Array = np.ndarray
Shape = Sequence[int]
Rows = tuple[slice, slice]


@dataclass(frozen=True)
class Cut:
    """A run of rows of one axis of the result.

    Attributes:
        rows: of the result.
        used: what they need of the source.
        weights: (rows, used), None where the axis keeps its voxels.
        are_averages: whether no weight is negative.
    """

    rows: slice
    used: slice
    weights: Array | None
    are_averages: bool

    @property
    def n_used(self) -> int:
        return int(self.used.stop) - int(self.used.start)


def choose_edge(n_outputs: int) -> int:
    """Source voxels along an axis of a piece."""
    return EDGE_OF_FEW if n_outputs <= FEW_OUTPUTS else EDGE


def choose_pieces(shape: Shape, sources: Sequence[Shape], max_voxels: float, edge: int) -> tuple[int, int, int]:
    """Into how many pieces each axis is cut.

    Args:
        shape: voxels of the result.
        sources: voxels of the grids that it is made from.
        max_voxels: of one piece, on its own grid or on a source; `SMALLEST_PIECE` is the least.
        edge: source voxels along an axis of a piece.
    """
    finest = [max(sizes) for sizes in zip(*sources, strict=True)]
    counts = [min(n_out, math.ceil(n_in / edge)) for n_out, n_in in zip(shape, finest, strict=True)]
    limit = max(max_voxels, SMALLEST_PIECE)
    while True:
        extents = [math.ceil(n_out / n) for n_out, n in zip(shape, counts, strict=True)]
        needed = [min(n_in, math.ceil(n_in / n) + 1) for n_in, n in zip(finest, counts, strict=True)]
        if max(extents) == 1 or max(math.prod(extents), math.prod(needed)) <= limit:
            return counts[0], counts[1], counts[2]
        longest = extents.index(max(extents))
        counts[longest] = min(shape[longest], 2 * counts[longest])


def cut_axis(matrix: Array | None, n_rows: int, n_pieces: int) -> tuple[Cut, ...]:
    """Cut an axis of `n_rows` into pieces of about one length, with the part of its matrix that each needs."""
    edges = [n_rows * piece // n_pieces for piece in range(n_pieces + 1)]
    spans = [slice(start, stop) for start, stop in pairwise(edges)]
    return tuple(cut(matrix, rows) for rows in spans)


def cut(matrix: Array | None, rows: slice) -> Cut:
    """Some rows of an axis, with the part of its matrix that they need."""
    if matrix is None:
        return Cut(rows, rows, None, are_averages=True)
    used = find_band(matrix[rows])
    weights = np.ascontiguousarray(matrix[rows, used])
    return Cut(rows, used, weights, are_averages=bool((weights >= 0).all()))


def take_piece(volume: Array, cuts: Sequence[Cut]) -> Array:
    """What a piece needs of the source (K, Z, Y, X), as a float32 copy."""
    first, second, third = (cut.used for cut in cuts)
    return np.array(volume[:, first, second, third], dtype=np.float32, order="C")


def resample_piece(source: Array, cuts: Sequence[Cut]) -> Array:
    """Values (k, ...) of the piece, from what it needs (k, z, y, x).

    Plane by plane: products so small that BLAS begins no threads of its own, which would wait for each other beside the
    threads that work on pieces (measured with OpenBLAS on a busy machine: 1 s in place of 0.06 s).
    """
    first, second, third = (cut.weights for cut in cuts)
    values = source
    if first is not None:
        values = np.matmul(first, values.swapaxes(1, 2)).swapaxes(1, 2)
    if second is not None:
        values = np.matmul(second, values)
    if third is not None:
        values = np.matmul(values, third.T)
    return np.ascontiguousarray(values)


def split_into_blocks(shape: Shape, max_voxels: int) -> Iterator[Rows]:
    """Cut a volume along its first axis, and along its second where one plane is too much; each block has >= 1 row."""
    first, second, third = shape
    n_second = min(second, max(1, max_voxels // third))
    n_first = min(first, max(1, max_voxels // (second * third))) if n_second == second else 1
    for a in range(0, first, n_first):
        for b in range(0, second, n_second):
            yield slice(a, min(a + n_first, first)), slice(b, min(b + n_second, second))
