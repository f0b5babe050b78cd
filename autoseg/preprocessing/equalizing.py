"""How does an image look whose greys are used equally often: all over, or in every neighbourhood (CLAHE)?

Histogram equalisation as `skimage.exposure.equalize_hist`, block by block so that no copy in float64 is held; CLAHE is
`skimage.exposure.equalize_adapthist` itself (Zuiderveld, Graphics Gems IV, 1994), in as many dimensions as the image
has.
"""

from __future__ import annotations

import math

import numpy as np

SMALLEST_SPREAD = 1e-8  # a channel of less contrast becomes zero, not infinite (borrowed from nnU-Net)
N_BINS = 4096  # as 256 would merge all soft tissue of an image with a few bright voxels
VALUES_AT_ONCE = 1 << 20
CLIP_LIMIT = 0.01  # share of a neighbourhood that one of 256 greys may count; scikit-image's own
TILES_PER_AXIS = 8
SMALLEST_TILE = 8  # voxels; of thinner tiles each slice of a thick-sliced volume would be equalised by itself
BYTES_PER_TILED_VOXEL = 32  # what scikit-image holds beside the image, of which the tiles jut out: 28 were measured
LOOK_LIKE_COLOURS = (3, 4)  # a last axis of so many voxels is taken for RGB or RGBA by scikit-image

Array = np.ndarray


def equalize_histogram(values: Array) -> Array:
    """Replace each value by the share of values that lie below it, in place.

    Args:
        values: float32, any shape, contiguous.

    Returns:
        the same array, from 0 to 1; zero where it has no contrast.
    """
    span = _subtract_minimum(values)
    if span <= SMALLEST_SPREAD:
        values[...] = 0.0
        return values
    counts, edges = np.histogram(values, bins=N_BINS, range=(0.0, span))
    shares, centres = np.cumsum(counts) / values.size, (edges[:-1] + edges[1:]) / 2
    flat = values.reshape(-1)
    for start in range(0, flat.size, VALUES_AT_ONCE):
        part = flat[start : start + VALUES_AT_ONCE]
        part[...] = np.interp(part, centres, shares)
    return values


def equalize_locally(channel: Array) -> Array:
    """Equalise each neighbourhood and interpolate between them, with limited contrast.

    Args:
        channel: float32 (Z, Y, X); it is changed.

    Returns:
        float32 (Z, Y, X) from 0 to 1; zero where it has no contrast.
    """
    span = _subtract_minimum(channel)
    if span <= SMALLEST_SPREAD:
        return np.zeros_like(channel)
    from skimage.exposure import equalize_adapthist

    channel /= span
    image = channel.squeeze()  # an axis of one voxel would be padded to two
    if image.shape[-1] in LOOK_LIKE_COLOURS:
        image = image[..., None]
    equalized = equalize_adapthist(image, kernel_size=choose_tile(image.shape), clip_limit=CLIP_LIMIT)
    return np.asarray(equalized, dtype=np.float32).reshape(channel.shape)


def choose_tile(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Voxels of a neighbourhood: an eighth of each axis, but no fewer than 8 of its voxels, where it has so many.

    An eighth of the field of view is about as many mm along each axis, however far apart the slices lie.
    """
    return tuple(min(length, max(length // TILES_PER_AXIS, SMALLEST_TILE)) for length in shape)


def estimate_local_bytes(shape: tuple[int, ...]) -> int:
    """Peak memory of `equalize_locally` beside its argument: whole tiles, and half a tile more on each side."""
    tile = choose_tile(shape)
    tiled = (math.ceil(length / side) * side + side for length, side in zip(shape, tile, strict=True))
    return BYTES_PER_TILED_VOXEL * math.prod(tiled)


def _subtract_minimum(values: Array) -> float:
    """Shift values so that they begin at 0, which keeps the digits of a large offset. Returns their largest."""
    values -= values.min()
    return float(values.max())
