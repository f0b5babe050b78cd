"""How often is each axis halved, and how wide are the kernels? (topology)

Source: Isensee et al., Nature Methods 2021: halve the axes whose spacing is fine, until spacings are alike and little
is left; convolve along an axis only once its spacing is comparable to the finest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoseg.decision import Decision, ruled
from autoseg.planning.choices import Topology

MIN_BOTTOM_EDGE = 4  # voxels that an axis keeps at the bottom; borrowed
MIN_EDGE_ALONE = 3 * MIN_BOTTOM_EDGE  # voxels that a single remaining axis needs to be halved once more; borrowed
COMPARABLE_SPACING = 2.0  # spacings that differ by less are treated alike; borrowed
MIN_STAGES = 2  # of a U-Net


def decide_topology(topology: Topology, *, patch_size: Sequence[int]) -> Decision[Topology]:
    """The strides and kernels of a patch."""
    halvings = [round(math.log2(total)) for total in topology.divisor]
    bottom = [size // total for size, total in zip(patch_size, topology.divisor, strict=True)]
    n_flat = sum(any(size == 1 for size in kernel) for kernel in topology.kernel_sizes)
    sentence = (
        f"axes are halved {_list(halvings)} times, down to {_list(bottom)} voxels: while an axis has at least "
        f"{2 * MIN_BOTTOM_EDGE} voxels and less than {COMPARABLE_SPACING:g} times the finest spacing"
    )
    if n_flat:
        sentence += (
            f"; in the first {n_flat} stage(s) kernels are 1 along the axes whose spacing is still "
            f"{COMPARABLE_SPACING:g} times the finest or more"
        )
    return ruled(topology, sentence, halvings=halvings, bottom=bottom)


def derive_topology(spacing_mm: Sequence[float], patch_size: Sequence[float], *, n_least: int = MIN_STAGES) -> Topology:
    """Strides and kernel sizes per stage, finest first, for a patch that need not be a multiple of its strides yet.

    Args:
        n_least: stages that even a tiny patch gets; the published rule leaves it one, which is no U-Net.
    """
    spacing, size = list(spacing_mm), list(patch_size)
    axes = range(len(spacing))
    strides, kernel, kernels = [[1] * len(size)], [1] * len(size), []
    while halved := _axes_to_halve(spacing, size) or (_longest_axes(size) if len(strides) < n_least else []):
        kernel = _widen(kernel, spacing)
        kernels.append(kernel)
        strides.append([2 if axis in halved else 1 for axis in axes])
        spacing = [spacing[axis] * 2 if axis in halved else spacing[axis] for axis in axes]
        size = [math.ceil(size[axis] / 2) if axis in halved else size[axis] for axis in axes]
    kernels.append([3] * len(size))
    return Topology(strides=tuple(map(tuple, strides)), kernel_sizes=tuple(map(tuple, kernels)))


def pad_to_divisor(patch_size: Sequence[float], divisor: Sequence[int]) -> tuple[int, ...]:
    """The next larger patch whose axes are multiples of their strides."""
    return tuple(math.ceil(size / step) * step for size, step in zip(patch_size, divisor, strict=True))


def _axes_to_halve(spacing: Sequence[float], size: Sequence[float]) -> list[int]:
    large = [axis for axis in range(len(size)) if size[axis] >= 2 * MIN_BOTTOM_EDGE]
    if not large:
        return []
    finest = min(spacing[axis] for axis in large)
    comparable = [axis for axis in large if spacing[axis] / finest < COMPARABLE_SPACING]
    if len(comparable) == 1 and size[comparable[0]] < MIN_EDGE_ALONE:
        return []
    return comparable


def _longest_axes(size: Sequence[float]) -> list[int]:
    return [axis for axis in range(len(size)) if 2 * size[axis] >= max(size)]


def _widen(kernel: Sequence[int], spacing: Sequence[float]) -> list[int]:
    """Once an axis' spacing is comparable to the finest its kernel is 3, and stays so."""
    finest = min(spacing)
    return [3 if spacing[axis] / finest < COMPARABLE_SPACING else size for axis, size in enumerate(kernel)]


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
