"""Which parts of a segmentation hang together, and which is the largest?

Two voxels hang together when they share a face, an edge or a corner (26 neighbours in 3D, 8 in a picture): the
connectivity that splits least, so that a thin diagonal bridge keeps an organ whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

IntArray = np.ndarray
Mask = np.ndarray

BACKGROUND = 0


def keep_largest_component(segmentation: IntArray, labels: Sequence[int]) -> IntArray:
    """Set to background what `labels`, taken as one mask, hold outside of their largest connected component.

    Args:
        segmentation: integer labels, (Z, Y, X).
        labels: taken together; other labels are left as they are.

    Returns:
        A new array of the same shape and dtype, or the very same one if nothing had to be removed. Of two components
        with equally many voxels the one that comes first in array order stays.
    """
    mask = np.isin(segmentation, labels)
    scattered = mask & ~find_largest_component(mask)
    return np.where(scattered, segmentation.dtype.type(BACKGROUND), segmentation) if scattered.any() else segmentation


def find_largest_component(mask: Mask) -> Mask:
    """The connected component of a boolean mask (Z, Y, X) with the most voxels; empty for an empty mask."""
    from scipy import ndimage

    boxes = ndimage.find_objects(mask.view(np.uint8))
    largest = np.zeros_like(mask)
    if boxes:
        inside = mask[boxes[0]]
        components, _ = ndimage.label(inside, structure=np.ones((3,) * mask.ndim))
        n_voxels = np.bincount(components.ravel())
        n_voxels[BACKGROUND] = 0
        largest[boxes[0]] = components == n_voxels.argmax()
    return largest
