"""How does a case become network input?

Crop to the non-zero box, transpose to the plan's axis order, normalise (`align`, once per case), then resample to the
spacing of a configuration (`prepare`, once per configuration). Source: Isensee et al., Nature Methods 2021; method
part 3. The `Placement` remembers every step of the geometry, so that `prediction.restoring.restore` can go back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from autoseg.data.cropping import find_box, find_nonzero_mask
from autoseg.planning.choices import Resampling
from autoseg.planning.plan import Configuration, Plan
from autoseg.planning.rules.resampling import (
    ANISOTROPY,
    find_coarse_axis,
    find_coarsest_axis,
    measure_anisotropy,
)
from autoseg.preprocessing.normalizing import normalize
from autoseg.preprocessing.resampling import resample, resample_labels
from autoseg.serialization import Record

ANISOTROPY_THRESHOLD = ANISOTROPY  # coarsest over finest spacing; above it an axis is resampled apart

Array = np.ndarray
Axes3 = tuple[int, int, int]
Spacing3 = tuple[float, float, float]


class Placement(Record):
    """Where the network grid lies in the original image.

    Attributes:
        original_shape: voxels (z, y, x) of the image as it was read.
        box: (start, stop) of the crop along each original axis (z, y, x).
        axis_order: axis i of the network grid is original axis `axis_order[i]`.
        network_shape: voxels of the network grid, in axis order.
        separate_axis: the axis, in axis order, that was resampled apart; None if all were treated alike.
        logits_axis: the axis that logits are resampled apart on the way back, where it is another one: `none`, if all
            are treated alike; `same`, as images, which is what placements of before it was there mean.
    """

    original_shape: Axes3
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    axis_order: Axes3
    network_shape: Axes3
    separate_axis: int | None = None
    logits_axis: int | Literal["same", "none"] = "same"

    @property
    def separate_axis_back(self) -> int | None:
        """The axis that is resampled apart on the way back; None if all are treated alike."""
        if self.logits_axis == "same":
            return self.separate_axis
        return None if self.logits_axis == "none" else self.logits_axis

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The crop, to index an original volume with."""
        z, y, x = (slice(start, stop) for start, stop in self.box)
        return (z, y, x)

    @property
    def cropped_shape(self) -> Axes3:
        """Voxels of the crop, in axis order."""
        first, second, third = (self.box[axis][1] - self.box[axis][0] for axis in self.axis_order)
        return (first, second, third)


@dataclass(frozen=True)
class Aligned:
    """A case that is cropped, in axis order and normalised, still at its own spacing.

    Attributes:
        image: float32 (C, ...) in axis order.
        segmentation: int16 in axis order, None if there is no reference.
        spacing_mm: mm in axis order.
        placement: its network grid is the crop itself.
        outside: which voxels of the crop lie outside the non-zero mask, in axis order, eight to a byte
            (`numpy.packbits`); None if none does.
    """

    image: Array
    segmentation: Array | None
    spacing_mm: Spacing3
    placement: Placement
    outside: Array | None = None


@dataclass(frozen=True)
class Prepared:
    """A case on the network grid of a configuration; attributes as for `Aligned`, `outside` still of the crop."""

    image: Array
    segmentation: Array | None
    spacing_mm: Spacing3
    placement: Placement
    outside: Array | None = None

    def find_outside(self) -> Array:
        """Which voxels of the crop lie outside the non-zero mask: bool of the crop's shape, in axis order."""
        shape = self.placement.cropped_shape
        if self.outside is None:
            return np.zeros(shape, dtype=bool)
        return np.unpackbits(self.outside, count=math.prod(shape)).view(bool).reshape(shape)


def align(image: Array, segmentation: Array | None, spacing_mm: Sequence[float], plan: Plan) -> Aligned:
    """Crop a case to its non-zero box, bring its axes into the plan's order and normalise it.

    Args:
        image: (C, Z, Y, X); it is not changed.
        segmentation: (Z, Y, X) or None.
        spacing_mm: mm (z, y, x).
        plan: axis order and normalisation.
    """
    mask = find_nonzero_mask(image)
    box = find_box(mask)
    order = plan.axis_order.value
    inside = _reorder(mask[box], order)
    normalized = normalize(_reorder(image[:, *box], order), inside, plan.normalization)
    outside = None if inside.all() else np.packbits(~inside)
    labels = None if segmentation is None else np.ascontiguousarray(_reorder(segmentation[box], order))
    first, second, third = (float(spacing_mm[axis]) for axis in order)
    placement = _place(mask.shape, box, order, normalized.shape[1:])
    return Aligned(normalized, labels, (first, second, third), placement, outside)


def prepare(aligned: Aligned, configuration: Configuration) -> Prepared:
    """Resample an aligned case to the spacing of a configuration; 2D configurations keep the slices as they are."""
    methods = configuration.resampling.value
    shape = compute_network_shape(aligned.placement.cropped_shape, aligned.spacing_mm, configuration.spacing_mm.value)
    spacing_mm = compute_network_spacing(aligned.spacing_mm, configuration.spacing_mm.value)
    axis, axis_back = choose_separate_axes(aligned.spacing_mm, configuration.spacing_mm.value, methods)
    image = np.empty((len(aligned.image), *shape), dtype=np.float32)
    for channel, source in zip(image, aligned.image, strict=True):
        channel[...] = resample(
            source, shape, methods.image_order, separate_axis=axis, separate_order=methods.separate_order
        )
    labels = aligned.segmentation
    if labels is not None:
        labels = resample_labels(
            labels, shape, methods.segmentation_order, separate_axis=axis, separate_order=methods.separate_order
        )
    placement = _place_on_network_grid(aligned.placement, shape, axis, axis_back)
    return Prepared(image, labels, spacing_mm, placement, aligned.outside)


def compute_network_shape(shape: Axes3, spacing_mm: Spacing3, target_mm: Sequence[float]) -> Axes3:
    """Voxels that cover the same extent at the target spacing: round(shape * spacing / target), at least 1.

    Args:
        shape, spacing_mm: of the crop, in axis order.
        target_mm: three spacings, or two for a 2D configuration, whose first axis keeps its voxels.
    """
    targets = compute_network_spacing(spacing_mm, target_mm)
    first, second, third = (
        max(1, round(own / target * n)) for n, own, target in zip(shape, spacing_mm, targets, strict=True)
    )
    return (first, second, third)


def choose_separate_axes(
    spacing_mm: Spacing3, target_mm: Sequence[float], methods: Resampling
) -> tuple[int | None, int | None]:
    """The axes that are resampled apart in a case: on the way there and back (method part 2, as nnU-Net decides it).

    The grid that is left is asked first: for images the case's, for logits the network's. If its coarsest spacing is
    more than 3 times its finest, its coarsest axis is resampled apart, none if several are equally coarse; otherwise
    the other grid is asked. A network grid in 2D keeps the case's spacing between slices.

    Args:
        spacing_mm: of the case, in axis order.
        target_mm: of the configuration: three spacings, or two for 2D.
        methods: of the configuration. The axis that it plans is the answer of the network grid.

    Returns:
        the axis for images and segmentations, and the axis for logits; None if all are treated alike.
    """
    grid_mm = compute_network_spacing(spacing_mm, target_mm)
    if methods.separate == "never":
        return None, None
    if methods.separate == "always":
        return find_coarsest_axis(spacing_mm), find_coarsest_axis(grid_mm)
    own, planned = find_coarse_axis(spacing_mm), methods.separate_axis
    if planned is None and len(target_mm) == 2:
        planned = find_coarse_axis(grid_mm)
    there = own if measure_anisotropy(spacing_mm) > ANISOTROPY else planned
    back = planned if planned is not None or measure_anisotropy(grid_mm) > ANISOTROPY else own
    return there, back


def compute_network_spacing(spacing_mm: Spacing3, target_mm: Sequence[float]) -> Spacing3:
    """mm per voxel of the network grid: the target; of a 2D configuration, the case's own along the first axis."""
    first, second, third = (*spacing_mm[: 3 - len(target_mm)], *target_mm)
    return (first, second, third)


def _reorder(array: Array, axis_order: Axes3) -> Array:
    """Transpose the last three axes into axis order."""
    leading = array.ndim - 3
    return array.transpose(*range(leading), *(leading + axis for axis in axis_order))


def _place_on_network_grid(crop: Placement, shape: Axes3, axis: int | None, axis_back: int | None) -> Placement:
    """The crop's placement with the network grid and the axes that are resampled apart on the way there and back."""
    logits_axis = "same" if axis_back == axis else "none" if axis_back is None else axis_back
    return crop.model_copy(update={"network_shape": shape, "separate_axis": axis, "logits_axis": logits_axis})


def _place(shape: tuple[int, ...], box: tuple[slice, ...], axis_order: Axes3, cropped: tuple[int, ...]) -> Placement:
    z, y, x = ((part.start, part.stop) for part in box)
    return Placement(
        original_shape=(shape[0], shape[1], shape[2]),
        box=(z, y, x),
        axis_order=axis_order,
        network_shape=(cropped[0], cropped[1], cropped[2]),
    )
