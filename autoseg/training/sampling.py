"""Where in which case does a training patch come from?

Source: Isensee et al., Nature Methods 2021 (foreground oversampling; method part 4). Cases are drawn as the plan says
(`CASE_SAMPLINGS`); a share of the patches is centred on a voxel of a label, every label of the case with the same
chance, so that small structures are seen. nnU-Net rounds that share per batch and gets 0, 50, 33, 25 and 40% for
batches of 1 to 5; here it is spread over the samples of all batches, so that what was asked for is what happens.

In a sparsely annotated case a patch at random would often hold no supervision at all; there the others are centred on
supervised background. Nothing here takes longer for a larger volume or label: voxels are drawn by their row.

A patch is three-dimensional here, (z, y, x) in axis order; one of a 2D network is one slice thick.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Axes3 = tuple[int, int, int]
Locations = Mapping[int, np.ndarray]


@dataclass(frozen=True)
class PatchPlace:
    """Where a patch lies.

    Attributes:
        case_id: the case it is cut from.
        start: its first voxel (z, y, x) on the network grid; outside the volume where the volume is smaller.
        label: the label of the voxel it is centred on: 1, 2, ..., or 0 for supervised background in a case that is
            annotated sparsely; None if the position is random.
        lacks_foreground: foreground was asked for, but the case has none.
    """

    case_id: str
    start: Axes3
    label: int | None = None
    lacks_foreground: bool = False


class CasePool:
    """The cases to draw from, and what drawing needs to know of them; it is read when first asked for, and kept."""

    def __init__(self, case_ids: Sequence[str], read_facts: Callable[[str], tuple[Axes3, Iterable[int]]]) -> None:
        """`read_facts` gives a case's voxels per axis and the labels that it holds; only those above 0 count."""
        self.case_ids = case_ids
        self._read_facts = read_facts

    @cached_property
    def shares_of_voxels(self) -> np.ndarray:
        """Cumulated over the cases, the last is 1."""
        totals = np.cumsum([math.prod(shape) for shape, _ in self._facts], dtype=np.float64)
        shares: np.ndarray = totals / totals[-1]
        return shares

    @cached_property
    def holders(self) -> dict[int, list[str]]:
        """The cases that hold each label; under 0 those that hold none. Sorted by label, and without empty lists."""
        found: dict[int, list[str]] = {}
        for case_id, (_, labels) in zip(self.case_ids, self._facts, strict=True):
            for label in {label for label in labels if label > 0} or {0}:
                found.setdefault(label, []).append(case_id)
        return dict(sorted(found.items()))

    @cached_property
    def _facts(self) -> list[tuple[Axes3, tuple[int, ...]]]:
        read = map(self._read_facts, self.case_ids)
        return [(shape, tuple(labels)) for shape, labels in read]


def is_foreground_sample(sample_index: int, share: float) -> bool:
    """Whether the sample is centred on foreground: floor((i + 1) * share) > floor(i * share).

    Of the first n samples floor(n * share) are: the realised share is within 1/n of `share`, whatever the batch size.

    Args:
        sample_index: i, counted over all batches: batch b of size s holds b * s ... b * s + s - 1.
        share: 0 to 1.
    """
    return math.floor((sample_index + 1) * share) > math.floor(sample_index * share)


def draw_case(
    rng: np.random.Generator, pool: CasePool, *, sampling: str = "uniform", foreground: bool = False
) -> tuple[str, int | None]:
    """Draw a case, and the label that its patch shall be centred on where the sampling has chosen one.

    Args:
        rng: the sample's own generator.
        pool: the cases.
        sampling: a name out of `CASE_SAMPLINGS`.
        foreground: whether the patch shall be centred on a label.
    """
    return CASE_SAMPLINGS[sampling](rng, pool, foreground)


def _draw_uniformly(rng: np.random.Generator, pool: CasePool, foreground: bool) -> tuple[str, int | None]:
    return pool.case_ids[int(rng.integers(len(pool.case_ids)))], None


def _draw_by_size(rng: np.random.Generator, pool: CasePool, foreground: bool) -> tuple[str, int | None]:
    return pool.case_ids[int(np.searchsorted(pool.shares_of_voxels, rng.random(), side="right"))], None


def _draw_by_rare_label(rng: np.random.Generator, pool: CasePool, foreground: bool) -> tuple[str, int | None]:
    """P(case) is the sum over its labels l of 1 / (labels * cases that hold l).

    Cases without any label count as one label more, but not where foreground is asked for and some case has any.
    """
    labels = list(pool.holders)
    if foreground and labels[0] == 0 and len(labels) > 1:
        labels = labels[1:]
    label = labels[int(rng.integers(len(labels)))]
    holders = pool.holders[label]
    return holders[int(rng.integers(len(holders)))], label if foreground and label > 0 else None


CASE_SAMPLINGS: dict[str, Callable[[np.random.Generator, CasePool, bool], tuple[str, int | None]]] = {
    "uniform": _draw_uniformly,  # every case with the same chance
    "by_size": _draw_by_size,  # proportional to the voxels on the network grid: every place with the same chance
    "by_rare_label": _draw_by_rare_label,  # a label, all with the same chance, then one of the cases that hold it
}


def draw_place(
    rng: np.random.Generator,
    case_id: str,
    shape: Axes3,
    locations: Locations,
    window: Axes3,
    *,
    foreground: bool,
    label: int | None = None,
) -> PatchPlace:
    """Draw where a patch of a case lies.

    Args:
        rng: the sample's own generator.
        case_id: the case.
        shape: voxels of the volume (z, y, x).
        locations: per label, (n, 3) voxels (z, y, x) that have it; under 0 supervised background, in cases that are
            annotated sparsely only.
        window: voxels of the patch (z, y, x); z is 1 for a 2D network.
        foreground: centre it on a voxel of a label, where the case has any.
        label: which one; None draws one, each with the same chance.
    """
    labels = sorted(label for label, voxels in locations.items() if label > 0 and len(voxels)) if foreground else []
    if labels:
        chosen = labels[int(rng.integers(len(labels)))] if label is None else label
        return PatchPlace(case_id, _draw_around(rng, locations[chosen], shape, window), chosen)
    if len(locations.get(0, ())):
        start = _draw_around(rng, locations[0], shape, window)
        return PatchPlace(case_id, start, 0, lacks_foreground=foreground)
    return PatchPlace(case_id, _draw_start(rng, shape, window), lacks_foreground=foreground)


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


def _draw_around(rng: np.random.Generator, voxels: np.ndarray, shape: Axes3, window: Axes3) -> Axes3:
    """Start of a patch that is centred on one of the voxels (n, 3), moved into the volume as far as needed."""
    centre = voxels[int(rng.integers(len(voxels)))]
    bounds = (compute_start_bounds(n, size) for n, size in zip(shape, window, strict=True))
    starts = (int(voxel) - size // 2 for voxel, size in zip(centre, window, strict=True))
    z, y, x = (min(max(start, first), last) for start, (first, last) in zip(starts, bounds, strict=True))
    return z, y, x
