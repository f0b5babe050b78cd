"""To which spacing are all images resampled?

Source: Isensee et al., Nature Methods 2021: the median, but finer along a coarse axis, because resampling most cases
of an anisotropic dataset to a coarse median would throw slices away.
"""

from __future__ import annotations

import numpy as np

from autoseg.decision import Decision, ruled

ANISOTROPY = 3.0  # an axis this many times coarser than all others, with as many times fewer voxels; borrowed
COARSE_AXIS_PERCENTILE = 10  # of the spacings along a coarse axis; borrowed
STAYS_COARSEST_MM = 1e-5  # added so that the coarse axis remains the coarsest; borrowed
AXES = "zyx"

Spacing = tuple[float, ...]


def decide_target_spacing(*, spacings_mm: np.ndarray, shapes: np.ndarray) -> Decision[Spacing]:
    """The spacing of the full-resolution grid.

    Args:
        spacings_mm, shapes: (n_cases, 3) in (z, y, x), after cropping.

    Returns:
        mm in (z, y, x).
    """
    median = np.percentile(spacings_mm, 50, axis=0)
    voxels = np.percentile(shapes, 50, axis=0)
    coarsest = int(np.argmax(median))
    others = [axis for axis in range(3) if axis != coarsest]
    limit = float(median[others].max())
    inputs = {"median_mm": _round(median), "median_shape": _round(voxels)}
    is_coarse = median[coarsest] > ANISOTROPY * limit and voxels[coarsest] * ANISOTROPY < voxels[others].min()
    if not is_coarse:
        return ruled(_as_tuple(median), f"the median spacing of {len(spacings_mm)} cases", **inputs)
    target = median.copy()
    target[coarsest] = np.percentile(spacings_mm[:, coarsest], COARSE_AXIS_PERCENTILE)
    if target[coarsest] < limit:
        target[coarsest] = limit + STAYS_COARSEST_MM
        sentence = "as fine as the others, for the finest cases are finer than that"
    else:
        sentence = f"the {COARSE_AXIS_PERCENTILE}th percentile, so that slices are not thrown away"
    return ruled(
        _as_tuple(target),
        f"the median, but axis {AXES[coarsest]} is more than {ANISOTROPY:g} times coarser than the others and takes "
        f"{sentence}",
        **inputs,
    )


def compute_median_shape(*, spacings_mm: np.ndarray, shapes: np.ndarray, target_mm: Spacing) -> tuple[float, ...]:
    """Median over cases of the shape after resampling; halves occur when the number of cases is even."""
    resampled = np.rint(spacings_mm / np.array(target_mm) * shapes)
    return _as_tuple(np.median(resampled, axis=0))


def _as_tuple(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _round(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]
