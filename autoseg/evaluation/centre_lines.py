"""Do two tubes run along each other? A vessel may be a voxel too thin everywhere and still lead where it should.

The centre line of each mask should lie in the other mask (Shit et al., clDice, CVPR 2021). With L the centre lines of
the masks V, reference R and prediction P,

    topology precision = |L_P and V_R| / |L_P|      topology sensitivity = |L_R and V_P| / |L_R|

and clDice is their harmonic mean. Centre lines are what thinning leaves (`skimage.morphology.skeletonize`: Lee et al.,
CVGIP 1994, for volumes; Zhang and Suen, Communications of the ACM 1984, for pictures and for what lies in one plane).
They are counted in voxels, as published, so that in anisotropic images a stretch along a thick axis weighs less than
its length. Thinning visits the bounding box again and again until no voxel can go, about once for each voxel of half
the thickness; that takes seconds for an organ, hence `MetricOptions.tubular`.

Empty is a defined case; NaN means "nothing to measure, not counted":

    reference   predicted      clDice
    empty       empty          NaN
    empty       something      0
    something   empty          0
"""

# mypy: disallow-untyped-calls=False
# scikit-image annotates few of its functions.

from __future__ import annotations

import math

import numpy as np

from autoseg.evaluation.lesions import find_mask_box, label_components

IntArray = np.ndarray
Mask = np.ndarray


def cl_dice(reference: Mask, predicted: Mask) -> float:
    """Harmonic mean of the shares of each centre line that lie in the other mask.

    Args:
        reference, predicted: bool, same shape, 2D or 3D: the image, or any box that both lie in. Voxels that the
            reference leaves unannotated are to be false on both sides.

    Returns:
        0..1, or NaN; the table of empty cases stands above.
    """
    if not (reference.any() or predicted.any()):
        return math.nan
    precision, sensitivity = _share_inside(predicted, reference), _share_inside(reference, predicted)
    both = precision + sensitivity
    return 2 * precision * sensitivity / both if both else 0.0


def _share_inside(mask: Mask, other: Mask) -> float:
    """Share of a mask's centre line that lies in the other mask; 0 where there is no line."""
    box = find_mask_box(mask)
    if box is None:
        return 0.0
    line = find_centre_line(mask[box])
    return float(np.count_nonzero(line & other[box]) / np.count_nonzero(line))


def find_centre_line(mask: Mask) -> Mask:
    """Thin a mask until nothing can be taken without tearing it apart.

    Args:
        mask: bool, 2D or 3D.

    Returns:
        bool, same shape; every connected component keeps a voxel at least.
    """
    from skimage.morphology import skeletonize

    flat = np.ascontiguousarray(mask.squeeze())
    if flat.ndim < 2:
        return mask.copy()
    line = skeletonize(flat).astype(bool).reshape(mask.shape)
    return _restore_lost(line, mask)


def _restore_lost(line: Mask, mask: Mask) -> Mask:
    """Give a component of which thinning left nothing, as scikit-image does of a cube of 2 voxels, its middle voxel."""
    components, n_components = label_components(mask)
    is_lost = np.bincount(components[line], minlength=n_components + 1) == 0
    is_lost[0] = False
    if is_lost.any():
        lost = np.flatnonzero(is_lost[components])
        line.flat[_find_middles(lost, components.flat[lost], mask.shape)] = True
    return line


def _find_middles(places: IntArray, numbers: IntArray, shape: tuple[int, ...]) -> IntArray:
    """Of each component the voxel nearest its centroid, the first in array order where several are.

    Args:
        places: flat indices (n,) of voxels.
        numbers: (n,) of the component that each belongs to.
        shape: of the array.
    """
    components, owner, n_voxels = np.unique(numbers, return_inverse=True, return_counts=True)
    distance = np.zeros(places.size)
    for axis in np.unravel_index(places, shape):
        distance += (axis - (np.bincount(owner, axis) / n_voxels)[owner]) ** 2
    order = np.lexsort((places, distance, owner))
    first = np.searchsorted(owner[order], np.arange(components.size))
    middles: IntArray = places[order][first]
    return middles
