"""How is the previous segmentation of a cascade damaged, so that the network learns not to trust it blindly?

Source: Isensee et al., Nature Methods 2021 (method part 4): in training the low-resolution segmentation is better than
it will be on new images. So borders of its labels are moved by a morphological operation with a ball, and connected
components vanish. Drawing and applying are apart, as in `augmentation`: a `Damage` is a frozen value.

Balls are applied by distance: a voxel belongs to the dilation if its squared distance to the mask is at most r^2, and
a minimum over r steps along each axis finds that. 96x96x96 with r = 8 takes 0.1 s; scipy's distance transform 0.34 s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from autoseg.planning.choices import Corruption

Mask = np.ndarray
Segmentation = np.ndarray
Slices = tuple[slice, ...]


@dataclass(frozen=True)
class BorderChange:
    """A morphological operation on one label.

    Attributes:
        label: whose border moves.
        operator: a name out of `OPERATORS`.
        radius: of the ball, in voxels.
    """

    label: int
    operator: str
    radius: int


@dataclass(frozen=True)
class Removal:
    """One connected component of a label vanishes.

    Attributes:
        label: which loses a component.
        position: 0 <= position < 1: which of the components that are small enough, in array order.
        share: (low, high): a component that covers `low <= share < high` of the patch may vanish.
    """

    label: int
    position: float
    share: tuple[float, float]


@dataclass(frozen=True)
class Damage:
    """What will be done to one patch of a previous segmentation, in this order."""

    borders: tuple[BorderChange, ...] = ()
    removals: tuple[Removal, ...] = ()


def draw_damage(rng: np.random.Generator, corruption: Corruption, *, n_labels: int) -> Damage:
    """Draw the damage of one patch: all labels in random order, or none. Takes the same draws whatever comes of it.

    Args:
        rng: the sample's own generator.
        corruption: probabilities per sample, radii in voxels, largest share of a removed component.
        n_labels: background included.
    """
    n_foreground = n_labels - 1
    moves, removes = rng.random(), rng.random()
    labels = (1 + rng.permutation(n_foreground)).tolist()
    operators = rng.integers(len(OPERATORS), size=n_foreground)
    smallest, largest = corruption.borders.range or (1, 1)
    radii = rng.integers(int(smallest), int(largest) + 1, size=n_foreground)
    positions = rng.random(n_foreground)
    names, share = list(OPERATORS), corruption.components.range or (0.0, 0.0)
    drawn = list(zip(labels, operators, radii, positions, strict=True))
    return Damage(
        borders=tuple(BorderChange(label, names[operator], int(radius)) for label, operator, radius, _ in drawn)
        if moves < corruption.borders.probability
        else (),
        removals=tuple(Removal(label, float(position), share) for label, _, _, position in drawn)
        if removes < corruption.components.probability
        else (),
    )


def damage(segmentation: Segmentation, planned: Damage) -> Segmentation:
    """Apply damage to a patch of a previous segmentation.

    What a label gains, others lose; what it loses becomes background. Beyond the patch nothing is known, so that a
    label which reaches the patch's border is not eroded there.

    Args:
        segmentation: integer (*patch); it is not changed.
        planned: what to do.

    Returns:
        A new array of the same shape and type.
    """
    result = segmentation.copy()
    for change in planned.borders:
        _move_border(result, change)
    for removal in planned.removals:
        _remove_component(result, removal)
    return result


def dilate(mask: Mask, radius: int) -> Mask:
    """Voxels whose distance to the mask is at most `radius` voxels."""
    nearest = np.where(mask, 0, (radius + 1) ** 2).astype(np.int32)
    for axis in range(mask.ndim):
        source = np.moveaxis(nearest, axis, 0)
        target = source.copy()
        for step in range(1, min(radius, len(source) - 1) + 1):
            np.minimum(target[step:], source[:-step] + step**2, out=target[step:])
            np.minimum(target[:-step], source[step:] + step**2, out=target[:-step])
        nearest = np.moveaxis(target, 0, axis)
    reached: Mask = nearest <= radius**2
    return reached


def erode(mask: Mask, radius: int) -> Mask:
    """Voxels of the mask that are farther than `radius` voxels from everything else in the patch."""
    return ~dilate(~mask, radius)


def close(mask: Mask, radius: int) -> Mask:
    """Fill what the ball does not fit into."""
    return erode(dilate(mask, radius), radius)


def open_(mask: Mask, radius: int) -> Mask:
    """Keep what the ball fits into."""
    return dilate(erode(mask, radius), radius)


OPERATORS: dict[str, Callable[[Mask, int], Mask]] = {  # each with the same chance (borrowed from nnU-Net)
    "dilation": dilate,
    "erosion": erode,
    "closing": close,
    "opening": open_,
}


def _move_border(segmentation: Segmentation, change: BorderChange) -> None:
    box = _find_box(segmentation == change.label, margin=change.radius + 1)
    if box is None:
        return
    part = segmentation[box]
    before = part == change.label
    after = OPERATORS[change.operator](before, change.radius)
    part[before & ~after] = 0
    part[after] = change.label


def _remove_component(segmentation: Segmentation, removal: Removal) -> None:
    box = _find_box(segmentation == removal.label, margin=0)
    if box is None:
        return
    part = segmentation[box]
    components, _ = ndimage.label(part == removal.label, structure=np.ones((3,) * part.ndim))
    shares = np.bincount(components.ravel())[1:] / segmentation.size
    low, high = removal.share
    small = np.flatnonzero((shares >= low) & (shares < high))
    if small.size:
        part[components == 1 + small[int(removal.position * small.size)]] = 0


def _find_box(mask: Mask, *, margin: int) -> Slices | None:
    """The bounding box of a mask, grown by a margin within the array; None for an empty mask."""
    boxes = ndimage.find_objects(mask.view(np.uint8))
    if not boxes:
        return None
    return tuple(
        slice(max(0, part.start - margin), min(part.stop + margin, size))
        for part, size in zip(boxes[0], mask.shape, strict=True)
    )
