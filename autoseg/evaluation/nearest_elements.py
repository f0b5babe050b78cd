"""How far is each surface element of one mask from the nearest element of another?

Exactly, and in memory that grows with the surfaces and a slice, not with the volume. Elements at the same corner are at
distance 0. The others ask a k-d tree, whose answer takes a microsecond or two while the surfaces are near each other.
A point far inside a curved surface is nearly as far from much of it, and a tree looks at all of that: where a sample of
the far elements says so, they are answered slice by slice instead. With g(z', y, x) the distance within slice z' to the
elements there, the distance to all elements is the least sqrt(g(z', y, x)^2 + dz^2 (z - z')^2) over z' (Felzenszwalb
and Huttenlocher, Theory of Computing 2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.spatial import KDTree

BoolArray = np.ndarray
IntArray = np.ndarray
FloatArray = np.ndarray

LEAF_ELEMENTS = 64
QUERIES_AT_ONCE = 2**17  # bounds what a query of the tree holds beside its answers
NEAR_VOXELS = 8.0  # of the shortest spacing: within, a tree is fast on every surface
N_PROBES = 64
# In ns on one core. They only choose the faster way; both are exact. Per candidate 0.8 to 700 were measured, on
# spheres, bumps, noise and slabs, most between 20 and 150.
COST_PER_CANDIDATE = 100.0  # of a query of the tree: an element less than `HARDLY_FARTHER` beyond the nearest
HARDLY_FARTHER = 2.0  # voxels
COST_PER_VOXEL = 60.0  # of a distance transform in a slice
COST_PER_SLICE = 10.0  # of an element, to take the least over slices


@dataclass(frozen=True)
class Grid:
    """The corners of voxels: how many along (z, y, x) or (y, x), and how many mm apart."""

    shape: tuple[int, ...]
    spacing: tuple[float, ...]

    @property
    def n_in_slice(self) -> int:
        """Corners in a slice, or a row of a picture."""
        return prod(self.shape[1:])

    def to_points(self, corners: IntArray) -> FloatArray:
        """Places in mm, float64 (n, n_axes), of corners counted along the flat grid."""
        points = np.empty((len(corners), len(self.shape)))
        for axis, places in enumerate(np.unravel_index(corners, self.shape)):
            np.multiply(places, self.spacing[axis], out=points[:, axis])
        return points

    def find_slices(self, corners: IntArray) -> IntArray:
        """Where, among ascending corners, those of each slice begin, and where the last ends."""
        return np.searchsorted(corners, np.arange(self.shape[0] + 1) * self.n_in_slice)


def measure_distances(elements: IntArray, others: IntArray, grid: Grid) -> FloatArray:
    """Measure the distance from each element to the nearest of the others.

    Args:
        elements, others: int64, ascending: corners along the flat grid.
        grid: of the corners.

    Returns:
        float64 (n_elements,) in mm; infinite if there are no others.
    """
    distances = np.full(len(elements), np.inf)
    if not len(others):
        return distances
    alone = ~_are_among(elements, others)
    distances[~alone] = 0.0
    if alone.any():
        distances[alone] = _search(elements[alone], others, grid)
    return distances


def _are_among(elements: IntArray, others: IntArray) -> BoolArray:
    places = np.minimum(np.searchsorted(others, elements), len(others) - 1)
    found: BoolArray = others[places] == elements
    return found


def _search(elements: IntArray, others: IntArray, grid: Grid) -> FloatArray:
    from scipy.spatial import KDTree

    tree = KDTree(grid.to_points(others), leafsize=LEAF_ELEMENTS, balanced_tree=False)
    distances = _query(tree, elements, grid, within=NEAR_VOXELS * min(grid.spacing))
    far = np.flatnonzero(np.isinf(distances))
    if far.size:
        sweeping = _cost_of_sweep(len(far), others, grid) < _cost_of_tree(tree, elements[far], grid)
        distances[far] = _sweep(elements[far], others, grid) if sweeping else _query(tree, elements[far], grid)
    return distances


def _query(tree: KDTree, elements: IntArray, grid: Grid, *, within: float = np.inf) -> FloatArray:
    """Distances as the tree finds them, infinite where nothing lies within."""
    distances = np.empty(len(elements))
    for start in range(0, len(elements), QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        distances[part], _ = tree.query(grid.to_points(elements[part]), distance_upper_bound=within)
    return distances


def _cost_of_tree(tree: KDTree, far: IntArray, grid: Grid) -> float:
    """A sample of the far elements says how many others a query must look at."""
    probes = grid.to_points(far[:: -(-len(far) // N_PROBES)])
    nearest, _ = tree.query(probes)
    margin = HARDLY_FARTHER * prod(grid.spacing) ** (1 / len(grid.spacing))
    n_candidates = tree.query_ball_point(probes, nearest + margin, return_length=True)
    return COST_PER_CANDIDATE * len(far) * float(np.mean(n_candidates))


def _cost_of_sweep(n_far: int, others: IntArray, grid: Grid) -> float:
    n_slices = int(np.count_nonzero(np.diff(grid.find_slices(others))))
    return n_slices * (COST_PER_VOXEL * grid.n_in_slice + COST_PER_SLICE * n_far)


def _sweep(elements: IntArray, others: IntArray, grid: Grid) -> FloatArray:
    """Take the least over the slices that hold others; one slice is held at a time."""
    from scipy import ndimage

    planes, places = np.divmod(elements, grid.n_in_slice)
    heights = planes * grid.spacing[0]
    least = np.full(len(elements), np.inf)
    starts = grid.find_slices(others)
    for plane in np.flatnonzero(np.diff(starts)):
        free = np.ones(grid.n_in_slice, dtype=bool)
        free[others[starts[plane] : starts[plane + 1]] - plane * grid.n_in_slice] = False
        within = ndimage.distance_transform_edt(free.reshape(grid.shape[1:]), sampling=grid.spacing[1:]).ravel()
        np.minimum(least, within[places] ** 2 + (heights - plane * grid.spacing[0]) ** 2, out=least)
    root: FloatArray = np.sqrt(least)
    return root
