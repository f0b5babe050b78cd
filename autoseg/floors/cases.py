"""What does a floor see of a case, and what does it look for?

A floor is a simple reference method that hardly learns: what a network scores means little unless it is well above it.
Floors read the images on their original grids, one case at a time and as often as they need to, and know nothing of
files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from autoseg.data.labels import IGNORED, LABEL_DTYPE, Labels

Array = np.ndarray


@dataclass(frozen=True)
class Target:
    """What is looked for: a foreground label, or a region.

    Attributes:
        name: of the label or region.
        labels: that it consists of.
        paints: the label that its voxels get in a segmentation.
    """

    name: str
    labels: tuple[int, ...]
    paints: int


@dataclass(frozen=True)
class FloorCase:
    """An annotated case on its original grid.

    Attributes:
        image: float32 (C, Z, Y, X), normalised.
        segmentation: labels and `IGNORED` (Z, Y, X).
        annotated: whether the reference says anything about each target.
    """

    image: Array
    segmentation: Array
    annotated: tuple[bool, ...]


ReadCases = Callable[[], Iterator[FloorCase]]  # from the first case again, each time that it is called


def list_targets(labels: Labels) -> tuple[Target, ...]:
    """Every foreground label, or every region in the order of painting."""
    if labels.regions:
        return tuple(Target(region.name, region.labels, region.paints) for region in labels.regions)
    return tuple(Target(labels.names[label], (label,), label) for label in labels.foreground)


def find_supervised(case: FloorCase) -> Array:
    """Where the reference says something, (Z, Y, X) boolean."""
    supervised: Array = case.segmentation != IGNORED
    return supervised


def find_target(case: FloorCase, target: Target) -> Array:
    """Where the target lies, (Z, Y, X) boolean."""
    mask: Array = np.isin(case.segmentation, target.labels)
    return mask


def paint(claims: list[tuple[Target, Array]], shape: tuple[int, ...]) -> Array:
    """One segmentation int16 of masks that may overlap: a later one paints over those before."""
    segmentation = np.zeros(shape, dtype=LABEL_DTYPE)
    for target, mask in claims:
        segmentation[mask] = target.paints
    return segmentation
