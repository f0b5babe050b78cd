"""How is a grid filled with what several networks say, piece by piece, in bounded memory and little time?

Pieces are independent of each other: threads work on them side by side. In most of them one label is left over by its
bounds alone; in the others only the labels that may win are resampled, and those that have a share in what is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from autoseg.data.labels import LABEL_DTYPE, Region
from autoseg.prediction.memory.spilled import release
from autoseg.prediction.restoring.certainty import add_tails, fill_with_certainty, find_noticed
from autoseg.prediction.restoring.labels_from_logits import (
    compute_probabilities,
    find_largest,
    measure_entropy,
    paint_regions,
)
from autoseg.prediction.restoring.pieces import Cut, choose_edge, choose_pieces, cut_axis, resample_piece, take_piece
from autoseg.prediction.restoring.possible_winners import Contenders, find_contenders, find_every_output
from autoseg.preprocessing.resampling import Matrices

if TYPE_CHECKING:
    import torch

    from autoseg.prediction.restoring.restore import Member

BYTES_PER_LOGIT = 16  # float32, at the peak: two stages of resampling, a member's probabilities, and their sum
MAX_THREADS = 8  # pieces are small: beyond this, threads wait for Python's lock

Array = np.ndarray
Rows3 = tuple[slice, slice, slice]
Axes = Sequence[Sequence[Cut]]  # an axis, its cuts


class ProbabilitySink(Protocol):
    """Takes probabilities as they are made, e.g. to write them to files."""

    def write(self, rows: Rows3, block: Array) -> None:
        """Take a block float32 (K, ...) of the crop, at `rows` in axis order. They come in any order, from threads."""


@dataclass(frozen=True)
class Target:
    """Where results go: views of the crop, in axis order."""

    segmentation: Array
    entropy: Array | None = None
    sink: ProbabilitySink | None = None
    measures_softness: bool = False

    @property
    def wants_certainty(self) -> bool:
        """Whether it is asked how sure voxels are, though not for each output."""
        return self.sink is None and (self.entropy is not None or self.measures_softness)

    @property
    def wants_probabilities(self) -> bool:
        return self.entropy is not None or self.sink is not None or self.measures_softness


def fill(
    members: Sequence[Member],
    matrices: Sequence[Matrices],
    target: Target,
    slab_bytes: int,
    device: torch.device | None,
) -> Array:
    """Do all the work; returns the sums of `Softness`, float64 (3, K)."""
    if device is not None and device.type != "cpu":
        from autoseg.prediction.restoring.on_device import fill_on_device

        return fill_on_device(members, matrices, target, slab_bytes, device)
    n_threads = _count_threads()
    shape, sources = target.segmentation.shape, [member.logits.shape[1:] for member in members]
    bytes_per_voxel = BYTES_PER_LOGIT * members[0].n_outputs
    counts = choose_pieces(
        shape, sources, slab_bytes / 2 / n_threads / bytes_per_voxel, choose_edge(members[0].n_outputs)
    )
    axes = [
        [cut_axis(matrix, n_rows, n) for matrix, n_rows, n in zip(maps, shape, counts, strict=True)]
        for maps in matrices
    ]
    sums = np.zeros((3, members[0].n_outputs))
    with ThreadPoolExecutor(n_threads) as pool:
        for columns in _gather_columns(members, axes, slab_bytes // 2):
            for part in pool.map(lambda column: _fill_column(members, axes, column, target), columns):
                sums += part
            for member in members:
                release(member.logits)
    return sums


def _gather_columns(
    members: Sequence[Member], axes: Sequence[Sequence[Sequence[Cut]]], max_bytes: int
) -> Iterator[list[tuple[int, int]]]:
    """Columns of pieces along the third axis, in groups that read no more than `max_bytes` of logits, or one alone."""
    group: list[tuple[int, int]] = []
    n_bytes = 0
    for first in range(len(axes[0][0])):
        for second in range(len(axes[0][1])):
            group.append((first, second))
            n_bytes += sum(
                member.logits[:, 0, 0].nbytes * cuts[0][first].n_used * cuts[1][second].n_used
                for member, cuts in zip(members, axes, strict=True)
            )
            if n_bytes >= max_bytes:
                yield group
                group, n_bytes = [], 0
    if group:
        yield group


def _fill_column(
    members: Sequence[Member], axes: Sequence[Sequence[Sequence[Cut]]], column: tuple[int, int], target: Target
) -> Array:
    sums = np.zeros((3, members[0].n_outputs))
    for third in range(len(axes[0][2])):
        cuts = [(its[0][column[0]], its[1][column[1]], its[2][third]) for its in axes]
        _fill_piece(members, cuts, target, sums)
    return sums


def _fill_piece(members: Sequence[Member], cuts: Sequence[Sequence[Cut]], target: Target, sums: Array) -> None:
    """Decide the voxels of a piece, and add to the sums."""
    regions = members[0].regions
    sources = [take_piece(member.logits, its) for member, its in zip(members, cuts, strict=True)]
    if all(cut.are_averages for its in cuts for cut in its):
        contenders = find_contenders(sources, are_regions=bool(regions))
    else:
        contenders = find_every_output(members[0].n_outputs)
    first, second, third = (cut.rows for cut in cuts[0])
    rows = (first, second, third)
    if target.wants_certainty and len(members) == 1 and not regions:
        entropy = None if target.entropy is None else target.entropy[rows]
        fill_with_certainty(sources[0], cuts[0], contenders, target.segmentation[rows], entropy, sums)
        return
    needed = _choose_needed(contenders, len(members), target, are_regions=bool(regions))
    if target.wants_certainty:
        is_needed = np.isin(np.arange(sums.shape[1]), needed)
        add_tails(sources, is_needed, target.segmentation[rows].size, sums, are_regions=bool(regions))
    if len(needed) == 1 and not regions:
        _fill_certain(int(needed[0]), rows, target, sums)
        return
    logits = (
        resample_piece(source if needed.size == len(source) else source[needed], its)
        for source, its in zip(sources, cuts, strict=True)
    )
    values = next(logits)
    painting = [regions[index] for index in needed] if regions else []
    segment = _choose(values, needed, painting, threshold=0.0) if len(members) == 1 else None
    if segment is None or target.wants_probabilities:
        values = _average_probabilities(values, logits, len(members), are_regions=bool(regions))
    if segment is None:
        segment = _choose(values, needed, painting, threshold=0.5)
    target.segmentation[rows] = segment
    if target.wants_probabilities:
        _note(values, needed, segment, rows, regions, target, sums)


def _choose_needed(contenders: Contenders, n_members: int, target: Target, *, are_regions: bool) -> Array:
    """Indices of the outputs to resample: winners by logit need no others, probabilities are shares of a whole."""
    winners = np.flatnonzero(contenders.can_win)
    compares_shares = n_members > 1 and not are_regions and len(winners) > 1
    if target.sink is not None or compares_shares:
        return np.flatnonzero(contenders.have_share)
    if target.wants_certainty:
        return np.flatnonzero(contenders.can_win | find_noticed(contenders.tops, are_regions=are_regions))
    return winners


def _fill_certain(label: int, rows: Rows3, target: Target, sums: Array) -> None:
    """All voxels of a piece are one label."""
    segment = target.segmentation[rows]
    segment[...] = label
    sums[:, label] += segment.size
    if target.sink is not None:
        block = np.zeros((sums.shape[1], *segment.shape), dtype=np.float32)
        block[label] = 1
        target.sink.write(rows, block)


def _choose(values: Array, indices: Array, painting: Sequence[Region], threshold: float) -> Array:
    """Labels of the voxels from the values of some outputs."""
    if painting or not len(indices):
        return paint_regions(values, painting, threshold)
    chosen: Array = indices.astype(LABEL_DTYPE)[find_largest(values)]
    return chosen


def _average_probabilities(first: Array, others: Iterator[Array], n_members: int, *, are_regions: bool) -> Array:
    """Mean probabilities over the members, which are resampled one after the other."""
    total = compute_probabilities(first, are_regions=are_regions)
    for logits in others:
        total += compute_probabilities(logits, are_regions=are_regions)
    if n_members > 1:
        total /= n_members
    return total


def _note(
    values: Array, indices: Array, segment: Array, rows: Rows3, regions: Sequence[Region], target: Target, sums: Array
) -> None:
    """Keep what was asked for of a piece: its probabilities (k, ...) of the outputs at these indices."""
    n_outputs = sums.shape[1]
    if target.entropy is not None and len(indices):
        target.entropy[rows] = measure_entropy(values, n_outputs, are_regions=bool(regions))
    if target.sink is not None:
        block = np.zeros((n_outputs, *segment.shape), dtype=np.float32)
        block[indices] = values
        target.sink.write(rows, block)
    if target.measures_softness:
        add_softness(values, indices, segment, regions, sums)


def add_softness(values: Array, indices: Array, segment: Array, regions: Sequence[Region], sums: Array) -> None:
    """Add the voxels given to each output, its probability over them, and over all voxels (3, K)."""
    sums[2, indices] += values.reshape(len(indices), -1).sum(axis=1)
    if not regions:  # the label of a voxel is the most probable one
        sums[0] += np.bincount(segment.ravel(), minlength=sums.shape[1])
        sums[1] += np.bincount(segment.ravel(), values.max(axis=0).ravel(), minlength=sums.shape[1])
        return
    for output, region in enumerate(regions):
        sums[0, output] += np.count_nonzero(np.isin(segment, region.labels))
    for output, share in zip(indices, values, strict=True):
        sums[1, output] += share[np.isin(segment, regions[output].labels)].sum()


def _count_threads() -> int:
    """As many as torch computes with, which obeys OMP_NUM_THREADS."""
    import torch

    return min(torch.get_num_threads(), MAX_THREADS)
