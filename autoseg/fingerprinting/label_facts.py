"""How large is each label of a case, in how many pieces does it come, and where does it lie?

Each label is looked at inside its own bounding box, so that a case with a hundred small labels takes no longer than one
with a few. Pieces are counted as `postprocessing.components` counts them: voxels that share a corner belong together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoseg.data.labels import Labels
from autoseg.fingerprinting.fingerprint import Components, Place
from autoseg.fingerprinting.merging import rounded

Box = tuple[slice, ...]
ABSENT = Components(n=0)


@dataclass(frozen=True)
class LabelFacts:
    """Facts about the labels 1, 2, ... of one case, in order; see `CaseFacts`."""

    voxels: tuple[int, ...] = ()
    components: tuple[Components, ...] = ()
    centres: tuple[Place | None, ...] = ()


def measure_labels(segmentation: np.ndarray | None, labels: Labels) -> LabelFacts:
    """Measure each label of a segmentation.

    Args:
        segmentation: int16 (Z, Y, X) with labels 0, 1, 2, ... and `IGNORED`; None gives no facts.
        labels: the dataset's labels.
    """
    if segmentation is None:
        return LabelFacts()
    from scipy import ndimage

    boxes = ndimage.find_objects(segmentation, max_label=labels.n_labels - 1)
    found = [_measure_label(segmentation, label, box) for label, box in enumerate(boxes, start=1)]
    voxels, components, centres = zip(*found, strict=True) if found else ((), (), ())
    return LabelFacts(tuple(voxels), tuple(components), tuple(centres))


def _measure_label(segmentation: np.ndarray, label: int, box: Box | None) -> tuple[int, Components, Place | None]:
    if box is None:
        return 0, ABSENT, None
    mask = segmentation[box] == label
    sizes = _count_pieces(mask)
    pieces = Components(n=sizes.size, largest_voxels=int(sizes.max()), smallest_voxels=int(sizes.min()))
    return int(sizes.sum()), pieces, _find_centre(mask, box)


def _count_pieces(mask: np.ndarray) -> np.ndarray:
    """Voxels of each connected piece."""
    from scipy import ndimage

    pieces, _ = ndimage.label(mask, structure=np.ones((3,) * mask.ndim))
    sizes: np.ndarray = np.bincount(pieces.ravel())[1:]
    return sizes


def _find_centre(mask: np.ndarray, box: Box) -> Place:
    """Mean position of a mask's voxels in the whole volume, from the number of voxels in each slice of each axis."""
    profiles = (
        np.count_nonzero(mask, axis=(1, 2)),
        np.count_nonzero(mask, axis=(0, 2)),
        np.count_nonzero(mask, axis=(0, 1)),
    )
    z, y, x = (
        rounded(side.start + np.average(np.arange(profile.size), weights=profile))
        for side, profile in zip(box, profiles, strict=True)
    )
    return (z, y, x)
