"""How large is the piece of an image that the network sees in training? (patch size)

Source: Isensee et al., Nature Methods 2021: as much context as the budget holds, with the proportions of the median
case. The patch starts large and shrinks, one axis at a time, until nothing limits it any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoseg.decision import Decision, ruled
from autoseg.planning.choices import Topology
from autoseg.planning.rules.topology import MIN_STAGES, derive_topology, pad_to_divisor

START_VOXELS = {2: 2048**2, 3: 256**3}  # voxels of the first proposal, by number of dimensions; borrowed
SMALLEST_IN_PLANE = 32  # voxels; a smaller patch shows too little context to be worth its speed; own choice, unproven

Patch = tuple[int, ...]
FindLimit = Callable[[Patch, Topology, Sequence[int]], str | None]  # patch, topology, voxels of the larger ones tried


@dataclass(frozen=True)
class PatchSearch:
    """How a patch was found.

    Attributes:
        start: the first proposal, padded to a multiple of its strides.
        patch_size, topology: the last one.
        limits: what each step obeyed, in words; empty if the first proposal was taken.
        larger: voxels of the patches that were too large, from the start down.
        unmet: the limit that even the smallest patch breaks, None if the patch fits.
    """

    start: Patch
    patch_size: Patch
    topology: Topology
    limits: tuple[str, ...]
    larger: tuple[int, ...]
    unmet: str | None


def search_patch(
    *,
    spacing_mm: Sequence[float],
    median_shape: Sequence[float],
    find_limit: FindLimit,
    as_published: bool = False,
) -> PatchSearch:
    """Shrink the largest sensible patch until `find_limit` no longer names what it breaks.

    Args:
        spacing_mm, median_shape: of the configuration's grid, in axis order.
        find_limit: says in words what a patch breaks, or None.
        as_published: any patch may come out, of one voxel or one stage; else in-plane axes keep `SMALLEST_IN_PLANE`
            voxels and a U-Net two stages.
    """
    proposal = propose_patch(spacing_mm, median_shape)
    n_least = 1 if as_published else MIN_STAGES
    topology = derive_topology(spacing_mm, proposal, n_least=n_least)
    patch = start = pad_to_divisor(proposal, topology.divisor)
    limits: list[str] = []
    larger: list[int] = []
    while (limit := find_limit(patch, topology, larger)) is not None:
        smaller = shrink_patch(patch, topology, spacing_mm=spacing_mm, median_shape=median_shape, n_least=n_least)
        if smaller is None:
            break
        limits.append(limit)
        larger.append(math.prod(patch))
        patch, topology = smaller
    return PatchSearch(start, patch, topology, tuple(limits), tuple(larger), unmet=limit)


def decide_patch_size(search: PatchSearch, *, median_shape: Sequence[float]) -> Decision[Patch]:
    """The patch that a search ended with, and why."""
    share = math.prod(search.patch_size) / math.prod(median_shape)
    inputs = {"start": list(search.start), "steps": len(search.limits), "share_of_median_case": round(share, 3)}
    if search.unmet is not None:
        sentence = f"the smallest patch that makes sense, although with it {search.unmet}"
    elif not search.limits:
        sentence = "nothing limits the first proposal: the median case, padded to what the strides divide"
        if share < 1:
            sentence = f"nothing limits the first proposal, of {math.prod(search.patch_size):,} voxels"
    else:
        steps = "1 step" if len(search.limits) == 1 else f"{len(search.limits)} steps"
        sentence = f"shrunk from {_show(search.start)} in {steps}: one step larger, {search.limits[-1]}"
    return ruled(search.patch_size, sentence, **inputs)


def propose_patch(spacing_mm: Sequence[float], median_shape: Sequence[float]) -> tuple[float, ...]:
    """A cube (square) in mm of `START_VOXELS` voxels, clipped to the median shape."""
    n_dimensions = len(spacing_mm)
    density = [1 / spacing for spacing in spacing_mm]
    scale = (START_VOXELS[n_dimensions] / math.prod(density)) ** (1 / n_dimensions)
    return tuple(min(round(per_mm * scale), size) for per_mm, size in zip(density, median_shape, strict=True))


def shrink_patch(
    patch_size: Patch,
    topology: Topology,
    *,
    spacing_mm: Sequence[float],
    median_shape: Sequence[float],
    n_least: int = MIN_STAGES,
) -> tuple[Patch, Topology] | None:
    """One step: the axis that covers most of the median case loses one multiple of its strides.

    How much that is follows from the topology of a trial. Returns None when no axis can lose any more.
    """
    ratios = [size / whole for size, whole in zip(patch_size, median_shape, strict=True)]
    for axis in sorted(range(len(ratios)), key=lambda axis: (ratios[axis], axis), reverse=True):
        trial = _reduce(patch_size, axis, topology.divisor[axis])
        if trial[axis] < 1:
            continue
        smaller = _reduce(patch_size, axis, derive_topology(spacing_mm, trial, n_least=n_least).divisor[axis])
        if smaller[axis] < _smallest(axis, len(ratios), floor=n_least > 1):
            continue
        smaller_topology = derive_topology(spacing_mm, smaller, n_least=n_least)
        padded = pad_to_divisor(smaller, smaller_topology.divisor)
        if math.prod(padded) < math.prod(patch_size):
            return padded, smaller_topology
    return None


def _smallest(axis: int, n_dimensions: int, *, floor: bool) -> int:
    return SMALLEST_IN_PLANE if floor and axis >= n_dimensions - 2 else 1


def _reduce(patch_size: Patch, axis: int, step: int) -> Patch:
    return tuple(size - step if index == axis else size for index, size in enumerate(patch_size))


def _show(patch_size: Sequence[int]) -> str:
    return " x ".join(map(str, patch_size))
