"""Where in which case does a training patch come from?

Source: Isensee et al., Nature Methods 2021 (foreground oversampling; method part 4). Cases are drawn uniformly; a share
of the patches is centred on a voxel of a label, every label of the case with the same chance, so that small structures
are seen. nnU-Net rounds that share per batch and gets 0, 50, 33, 25 and 40% for batches of 1 to 5; here it is spread
over the samples of all batches, so that what was asked for is what happens.

A patch is three-dimensional here, (z, y, x) in axis order; one of a 2D network is one slice thick.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Axes3 = tuple[int, int, int]
Locations = Mapping[int, np.ndarray]


@dataclass(frozen=True)
class PatchPlace:
    """Where a patch lies.

    Attributes:
        case_id: the case it is cut from.
        start: its first voxel (z, y, x) on the network grid; outside the volume where the volume is smaller.
        label: the label of the voxel it is centred on, None if the position is random.
        lacks_foreground: foreground was asked for, but the case has none, so that the position is random.
    """

    case_id: str
    start: Axes3
    label: int | None = None
    lacks_foreground: bool = False


def is_foreground_sample(sample_index: int, share: float) -> bool:
    """Whether the sample is centred on foreground: floor((i + 1) * share) > floor(i * share).

    Of the first n samples floor(n * share) are: the realised share is within 1/n of `share`, whatever the batch size.

    Args:
        sample_index: i, counted over all batches: batch b of size s holds b * s ... b * s + s - 1.
        share: 0 to 1.
    """
    return math.floor((sample_index + 1) * share) > math.floor(sample_index * share)


def draw_case(rng: np.random.Generator, case_ids: Sequence[str]) -> str:
    """Draw a case, each with the same chance."""
    return case_ids[int(rng.integers(len(case_ids)))]


def draw_place(
    rng: np.random.Generator, case_id: str, shape: Axes3, locations: Locations, window: Axes3, *, foreground: bool
) -> PatchPlace:
    """Draw where a patch of a case lies.

    Args:
        rng: the sample's own generator.
        case_id: the case.
        shape: voxels of the volume (z, y, x).
        locations: per label, (n, 3) voxels (z, y, x) that have it.
        window: voxels of the patch (z, y, x); z is 1 for a 2D network.
        foreground: centre it on a voxel of a label, where the case has any.
    """
    labels = sorted(label for label, voxels in locations.items() if label > 0 and len(voxels)) if foreground else []
    if not labels:
        return PatchPlace(case_id, _draw_start(rng, shape, window), lacks_foreground=foreground)
    label = labels[int(rng.integers(len(labels)))]
    voxels = locations[label]
    centre = voxels[int(rng.integers(len(voxels)))]
    return PatchPlace(case_id, _centre_on(centre, shape, window), label)


def compute_start_bounds(n_voxels: int, n_window: int) -> tuple[int, int]:
    """First and last valid start along an axis; one start, which centres the volume, where the volume is smaller."""
    if n_voxels < n_window:
        centred = -((n_window - n_voxels) // 2)
        return centred, centred
    return 0, n_voxels - n_window


def _draw_start(rng: np.random.Generator, shape: Axes3, window: Axes3) -> Axes3:
    bounds = (compute_start_bounds(n, size) for n, size in zip(shape, window, strict=True))
    z, y, x = (int(rng.integers(first, last + 1)) for first, last in bounds)
    return z, y, x


def _centre_on(centre: Sequence[int] | np.ndarray, shape: Axes3, window: Axes3) -> Axes3:
    """Start of the patch around a voxel, moved into the volume as far as needed."""
    bounds = (compute_start_bounds(n, size) for n, size in zip(shape, window, strict=True))
    starts = (int(voxel) - size // 2 for voxel, size in zip(centre, window, strict=True))
    z, y, x = (min(max(start, first), last) for start, (first, last) in zip(starts, bounds, strict=True))
    return z, y, x
