"""On which grids do the configurations see the images?

Full resolution first; slices leave out its first axis, the low-resolution pass coarsens it. What a person pinned of a
spacing reaches everything that follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoseg.decision import Decision, ruled
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.pinning import Pins
from autoseg.planning.rules.axis_order import decide_axis_order
from autoseg.planning.rules.target_spacing import compute_median_shape, decide_target_spacing

AxisOrder = tuple[int, int, int]
Values = tuple[float, ...]


@dataclass(frozen=True)
class Grid:
    """Where a configuration's images lie, in axis order; two values for 2D.

    Attributes:
        spacing_mm: with its reason.
        median_shape: voxels of the median case after resampling.
        median_case_mm: median spacing of the images before resampling.
        n_slices: slices of the median case that a 2D configuration sees one by one; 1 for volumes.
        dataset_voxels: voxels of all cases, about.
        stored_voxels: voxels of all preprocessed cases together.
    """

    spacing_mm: Decision[Values]
    median_shape: Values
    median_case_mm: Values
    n_slices: float
    dataset_voxels: float
    stored_voxels: int

    @property
    def n_dimensions(self) -> int:
        return len(self.median_shape)

    @property
    def median_volume(self) -> tuple[int, int, int]:
        """Voxels of the median case along three axes, slices included."""
        first, second, third = (max(round(size), 1) for size in ((self.n_slices, *self.median_shape)[-3:]))
        return first, second, third


def lay_grid(fingerprint: Fingerprint, pins: Pins, *, as_published: bool) -> tuple[Decision[AxisOrder], Grid]:
    """The axis order, and the full-resolution grid in it."""
    spacings, shapes = fingerprint.spacings_mm, fingerprint.shapes_after_cropping
    rule = decide_target_spacing(spacings_mm=spacings, shapes=shapes)
    shape = compute_median_shape(spacings_mm=spacings, shapes=shapes, target_mm=rule.value)
    order = pins.obey(
        "axis_order",
        decide_axis_order(spacing_mm=rule.value, median_shape=shape, by_spacing_alone=as_published),
    )
    target = pins.below("3d_fullres").obey("spacing_mm", rearrange(rule, order.value))
    return order, _resample_all(fingerprint, order.value, target)


def leave_first_axis(fingerprint: Fingerprint, order: AxisOrder, full: Grid, pins: Pins) -> Grid:
    """The grid of slices, whose spacing is the median unless a coarse axis lies within them."""
    spacing, median = full.spacing_mm, full.median_case_mm
    in_plane = pins.obey("spacing_mm", _explain_in_plane(spacing, median))
    grid = full
    if in_plane.value != spacing.value[1:]:
        grid = _resample_all(fingerprint, order, replace_value(spacing, (spacing.value[0], *in_plane.value)))
    stored = count_stored_voxels(fingerprint, order, in_plane.value)
    shape = grid.median_shape
    return Grid(in_plane, shape[1:], median[1:], shape[0], grid.dataset_voxels, stored)


def _explain_in_plane(spacing: Decision[Values], median: Values) -> Decision[Values]:
    within = rearrange(spacing, (1, 2))
    if spacing.is_set_by_hand:
        return ruled(within.value, "that of 3d_fullres within slices, which was set by hand")
    if np.allclose(spacing.value[1:], median[1:]):
        return within.model_copy(update={"reason": "the median spacing within slices"})
    return within.model_copy(update={"reason": f"in-plane: {spacing.reason}"})


def coarsen(fingerprint: Fingerprint, order: AxisOrder, full: Grid, spacing_mm: Decision[Values]) -> Grid:
    """The grid of the same images at a coarser spacing."""
    exact = compute_coarse_shape(full, spacing_mm.value)
    return Grid(
        spacing_mm=spacing_mm,
        median_shape=round_shape(exact),
        median_case_mm=full.median_case_mm,
        n_slices=1,
        dataset_voxels=math.prod(exact) * fingerprint.n_cases,
        stored_voxels=count_stored_voxels(fingerprint, order, spacing_mm.value),
    )


def compute_coarse_shape(full: Grid, spacing_mm: Sequence[float]) -> Values:
    """The median case at another spacing, in fractions of voxels."""
    own = full.spacing_mm.value
    return tuple(fine / coarse * size for fine, coarse, size in zip(own, spacing_mm, full.median_shape, strict=True))


def round_shape(shape: Sequence[float]) -> Values:
    """Whole voxels, one at least."""
    return tuple(float(max(round(size), 1)) for size in shape)


def rearrange(decision: Decision[Values], order: Sequence[int]) -> Decision[Values]:
    """The same decision for these axes; its inputs, too, have a number per axis."""
    inputs = {name: [values[axis] for axis in order] for name, values in decision.inputs.items()}
    value = tuple(decision.value[axis] for axis in order)
    return decision.model_copy(update={"value": value, "inputs": inputs})


def replace_value(decision: Decision[Values], value: Values) -> Decision[Values]:
    """The same reason for another value."""
    return decision.model_copy(update={"value": value})


def _resample_all(fingerprint: Fingerprint, order: AxisOrder, target: Decision[Values]) -> Grid:
    spacings = fingerprint.spacings_mm[:, list(order)]
    shapes = fingerprint.shapes_after_cropping[:, list(order)]
    shape = compute_median_shape(spacings_mm=spacings, shapes=shapes, target_mm=target.value)
    return Grid(
        spacing_mm=target,
        median_shape=shape,
        median_case_mm=tuple(float(value) for value in np.median(spacings, axis=0)),
        n_slices=1,
        dataset_voxels=math.prod(shape) * fingerprint.n_cases,
        stored_voxels=count_stored_voxels(fingerprint, order, target.value),
    )


def count_stored_voxels(fingerprint: Fingerprint, order: AxisOrder, target_mm: Sequence[float]) -> int:
    """Voxels of all cases after resampling; axes without a target keep theirs."""
    shapes = fingerprint.shapes_after_cropping[:, list(order)].astype(float)
    spacings = fingerprint.spacings_mm[:, list(order)]
    resampled = slice(3 - len(target_mm), 3)
    shapes[:, resampled] *= spacings[:, resampled] / np.array(target_mm)
    return int(np.prod(np.maximum(np.rint(shapes), 1), axis=1).sum())
