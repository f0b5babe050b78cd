"""How far apart are the surfaces of a reference and a predicted mask?

With S the surface elements of a mask, |s| the area of one (in a picture, the length of a piece of contour) and d(s) its
distance from the nearest element of the other mask:

    surface Dice at t (NSD)   the area of the elements of both masks with d <= t, over the area of all
    HD95                      the larger of two: the d that 95% of the area of the reference (predicted) stays within
    mean distance (ASSD)      the sum of d |s| over the elements of both masks, over the sum of |s|

The elements are those of Nikolov et al., arXiv 1809.04430 (`surface_elements`), and so are surface Dice and HD95. They
give the mean distance per direction; here, as in Heimann et al., IEEE TMI 2009, one mean is taken over both surfaces,
so that the larger weighs more. A surface is where its elements are: distances run from element to element, and an
object that reaches the border of the array is closed there. Where one mask is empty, all distances of the other are
infinite, HD95 and the mean with them, and the surface Dice is 0; what a report makes of that is decided in
`case_metrics`.

MONAI's metrics of the same names count, unless asked otherwise, the voxels at a mask's border, each as one whatever its
area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoseg.evaluation.nearest_elements import Grid, measure_distances
from autoseg.evaluation.surface_elements import find_elements, measure_areas

BoolArray = np.ndarray
FloatArray = np.ndarray

ROUNDING = 1e-6  # relative: spacings are often stored with seven digits, and a distance of 3 x 0.7 mm is within 2.1 mm


@dataclass(frozen=True)
class SurfaceDistances:
    """The surface elements of two masks, with areas (mm2; mm of contour in 2D) and distances (mm), float64.

    Attributes:
        to_predicted: (n,) from each element of the reference to the nearest of the predicted mask.
        reference_areas: (n,) of the reference's elements.
        to_reference: (m,) from each element of the predicted mask to the nearest of the reference.
        predicted_areas: (m,) of the predicted mask's elements.
    """

    to_predicted: FloatArray
    reference_areas: FloatArray
    to_reference: FloatArray
    predicted_areas: FloatArray

    @property
    def _both(self) -> tuple[tuple[FloatArray, FloatArray], ...]:
        return (self.to_predicted, self.reference_areas), (self.to_reference, self.predicted_areas)

    def hausdorff(self, percentile: float = 95.0) -> float:
        """The distance that this percentage of a surface's area stays within, the larger of both directions, in mm.

        100 is the Hausdorff distance itself. Infinite if one mask is empty.
        """
        return max(_weighted_percentile(distances, areas, percentile) for distances, areas in self._both)

    def mean_distance(self) -> float:
        """Mean distance over the area of both surfaces, in mm; infinite if one mask is empty."""
        total = sum(float(distances @ areas) for distances, areas in self._both)
        return total / sum(float(areas.sum()) for _, areas in self._both)

    def surface_dice(self, tolerance: float) -> float:
        """The share of both surfaces, 0 to 1, that lies within the tolerance (mm) of the other; 0 if one is empty."""
        limit = tolerance * (1 + ROUNDING)
        within = sum(float(areas[distances <= limit].sum()) for distances, areas in self._both)
        return within / sum(float(areas.sum()) for _, areas in self._both)


def _weighted_percentile(distances: FloatArray, areas: FloatArray, percentile: float) -> float:
    if not len(distances):
        return np.inf
    order = np.argsort(distances)
    shares = np.cumsum(areas[order])
    reached = np.searchsorted(shares, percentile / 100 * shares[-1] * (1 - ROUNDING))
    return float(distances[order[min(int(reached), len(order) - 1)]])


def measure_surfaces(reference: BoolArray, predicted: BoolArray, spacing: Sequence[float]) -> SurfaceDistances:
    """Measure the distances between the surfaces of two masks, not both empty.

    Time and memory follow the surfaces' number of elements, and a byte or so per voxel is looked at: crop the masks to
    a box that holds both.

    Args:
        reference, predicted: bool (Z, Y, X) or (Y, X), same shape. Outside of the array there is no object.
        spacing: mm, one per axis, in the same order.

    Raises:
        ValueError: shapes or the number of axes differ, or both masks are empty.
    """
    _require_comparable(reference, predicted, spacing)
    places, codes = find_elements(reference)
    predicted_places, predicted_codes = find_elements(predicted)
    if not len(places) and not len(predicted_places):
        raise ValueError("both masks are empty, so that no surface can be measured; score this case before.")
    grid = Grid(tuple(length + 1 for length in reference.shape), tuple(float(step) for step in spacing))
    areas = measure_areas(grid.spacing)
    return SurfaceDistances(
        to_predicted=measure_distances(places, predicted_places, grid),
        reference_areas=areas[codes],
        to_reference=measure_distances(predicted_places, places, grid),
        predicted_areas=areas[predicted_codes],
    )


def _require_comparable(reference: BoolArray, predicted: BoolArray, spacing: Sequence[float]) -> None:
    if reference.shape != predicted.shape:
        raise ValueError(f"reference has shape {reference.shape}, predicted {predicted.shape}; both must be equal.")
    if reference.ndim not in (2, 3) or len(spacing) != reference.ndim:
        raise ValueError(f"masks have {reference.ndim} axes and {len(spacing)} spacings; expected 2 or 3 of each.")
