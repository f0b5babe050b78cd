"""Where does the surface of a mask run, and how large is each of its elements?

On the dual grid, the grid of the voxels' corners, every corner lies between 2x2x2 voxels (2x2 pixels in a picture).
Which of them the mask holds is the corner's code, one bit each. Where some are inside and some outside a surface
element sits at the corner, and its area is that of the surface that marching cubes draws for the code: it crosses the
edges between voxel centres half way (Lorensen and Cline, SIGGRAPH 1987; Nikolov et al., arXiv 1809.04430). Beyond the
array is outside, so that every surface is closed.

The surface of each code is derived here. The four voxels or fewer that are in the minority, inside or outside, fall
into components that share faces, and a surface cuts each of them off: two voxels that touch along an edge only stay
apart. Its outline runs through the middles of the crossed edges. Outlines of five and six points are not flat; their
ears are cut in turn, beginning where a voxel has a single crossed edge, which is how marching cubes triangulates them.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

import numpy as np

BoolArray = np.ndarray
IntArray = np.ndarray
FloatArray = np.ndarray
Voxel = tuple[int, ...]  # of a neighbourhood: 0 or 1 along z, y, x
Edge = tuple[int, ...]  # its middle, counted in half voxels: 0, 1 or 2 along z, y, x

VOXELS: tuple[Voxel, ...] = tuple(itertools.product((0, 1), repeat=3))  # their place is their bit in the code
SLAB_VOXELS = 2**20  # of one byte each, so that a slab stays in the processor's cache


def find_elements(mask: BoolArray) -> tuple[IntArray, IntArray]:
    """Find the surface elements of a mask, slab by slab.

    Args:
        mask: bool (Z, Y, X) or (Y, X). Outside of it there is no object.

    Returns:
        int64 (n_elements,), ascending: where they sit on the grid of corners, counted along the flat grid, which is by
        one longer than the mask on every axis; and uint8 (n_elements,), their codes.
    """
    corners, codes = [], []
    n_per_plane = int(np.prod([length + 1 for length in mask.shape[1:]]))
    n_planes = max(1, SLAB_VOXELS // n_per_plane)
    for start in range(0, mask.shape[0] + 1, n_planes):
        slab = _encode(mask, start, min(start + n_planes, mask.shape[0] + 1)).ravel()
        at = np.flatnonzero(slab - np.uint8(1) < 2 ** (2**mask.ndim) - 2)  # neither 0 nor full: 0 - 1 wraps to 255
        corners.append(at + start * n_per_plane)
        codes.append(slab[at])
    return np.concatenate(corners), np.concatenate(codes)


def _encode(mask: BoolArray, start: int, stop: int) -> IntArray:
    """The codes of the planes of corners from `start` to `stop`; plane i lies between planes i-1 and i of voxels."""
    voxels = np.zeros((stop - start + 1, *(length + 2 for length in mask.shape[1:])), np.uint8)
    first, last = max(start - 1, 0), min(stop, mask.shape[0])
    inner = (slice(1, -1),) * (mask.ndim - 1)
    voxels[(slice(first - start + 1, last - start + 1), *inner)] = mask[first:last]
    for axis in reversed(range(mask.ndim)):
        near, far = _halves(mask.ndim, axis)
        voxels = voxels[near] | voxels[far] << np.uint8(2 ** (mask.ndim - 1 - axis))
    return voxels


def _halves(n_axes: int, axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    before = (slice(None),) * axis
    after = (slice(None),) * (n_axes - 1 - axis)
    return (*before, slice(None, -1), *after), (*before, slice(1, None), *after)


@lru_cache(maxsize=128)
def measure_areas(spacing: tuple[float, ...]) -> FloatArray:
    """Measure the surface element of every code.

    Args:
        spacing: (z, y, x) in mm, or (y, x) for contours.

    Returns:
        float64 (256,), areas in mm2 by code; (16,), lengths in mm, for contours: a contour is the surface of its prism
        of height 1. 0 for what lies wholly inside or outside.
    """
    if len(spacing) == 2:
        areas = measure_areas((1.0, *spacing))[[code | code << 4 for code in range(16)]]
    else:
        areas = np.array([_area_of(triangles, spacing) for triangles in _triangulate_all()])
    areas.flags.writeable = False
    return areas


def _area_of(triangles: Sequence[Sequence[Edge]], spacing: Sequence[float]) -> float:
    if not triangles:
        return 0.0
    points = np.array(triangles) * (np.array(spacing) / 2)
    normals = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    return float(np.linalg.norm(normals, axis=1).sum() / 2)


@cache
def _triangulate_all() -> tuple[tuple[tuple[Edge, ...], ...], ...]:
    return tuple(tuple(_triangulate(code)) for code in range(256))


def _triangulate(code: int) -> Iterator[tuple[Edge, ...]]:
    inside = {voxel for bit, voxel in enumerate(VOXELS) if code >> bit & 1}
    minority = inside if len(inside) <= 4 else set(VOXELS) - inside
    for component in _split(minority):
        yield from _cut_ears(_outline(component))


def _split(voxels: set[Voxel]) -> Iterator[set[Voxel]]:
    """Components whose voxels are connected by faces."""
    left = set(voxels)
    while left:
        component, reached = set[Voxel](), {min(left)}
        while reached:
            component |= reached
            reached = {other for voxel in reached for other in _neighbours(voxel)} & left - component
        left -= component
        yield component


def _neighbours(voxel: Voxel) -> Iterator[Voxel]:
    for axis in range(3):
        yield tuple(1 - place if along == axis else place for along, place in enumerate(voxel))


def _outline(component: set[Voxel]) -> list[Edge]:
    """The middles of the edges that leave a component, in order: one follows another on the same face of the cube."""
    inner_of = {
        tuple(np.add(voxel, other).tolist()): voxel
        for voxel in sorted(component)
        for other in _neighbours(voxel)
        if other not in component
    }
    n_crossed = Counter(inner_of.values())
    left = sorted(inner_of, key=lambda edge: n_crossed[inner_of[edge]])
    outline = [left.pop(0)]
    while left:
        following = next(edge for edge in left if _faces(edge) & _faces(outline[-1]))
        left.remove(following)
        outline.append(following)
    return outline


def _faces(edge: Edge) -> set[tuple[int, int]]:
    return {(axis, place) for axis, place in enumerate(edge) if place != 1}


def _cut_ears(outline: list[Edge]) -> Iterator[tuple[Edge, ...]]:
    while len(outline) > 3:
        yield outline[-1], outline[0], outline[1]
        outline = [*outline[2:], outline[1]]
    yield tuple(outline)
