"""How does a case become network input?

Crop to the non-zero box, transpose to the plan's axis order, normalise (`align`, once per case), then resample to the
spacing of a configuration (`prepare`, once per configuration). Source: Isensee et al., Nature Methods 2021; method
part 3. The `Placement` remembers every step of the geometry, so that `prediction.restoring.restore` can go back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoseg.data.cropping import find_box, find_nonzero_mask
from autoseg.data.geometry import SPACING_TOLERANCE
from autoseg.planning.plan import Configuration, Plan
from autoseg.preprocessing.normalizing import normalize
from autoseg.preprocessing.resampling import resample, resample_labels
from autoseg.serialization import Record

ANISOTROPY_THRESHOLD = 3.0  # coarsest over finest spacing; above it an axis is resampled apart (borrowed from nnU-Net)

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
    """

    original_shape: Axes3
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    axis_order: Axes3
    network_shape: Axes3
    separate_axis: int | None = None

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
    """

    image: Array
    segmentation: Array | None
    spacing_mm: Spacing3
    placement: Placement


@dataclass(frozen=True)
class Prepared:
    """A case on the network grid of a configuration; attributes as for `Aligned`."""

    image: Array
    segmentation: Array | None
    spacing_mm: Spacing3
    placement: Placement


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
    normalized = normalize(_reorder(image[:, *box], order), _reorder(mask[box], order), plan.normalization)
    labels = None if segmentation is None else np.ascontiguousarray(_reorder(segmentation[box], order))
    first, second, third = (float(spacing_mm[axis]) for axis in order)
    return Aligned(normalized, labels, (first, second, third), _place(mask.shape, box, order, normalized.shape[1:]))


def prepare(aligned: Aligned, configuration: Configuration) -> Prepared:
    """Resample an aligned case to the spacing of a configuration; 2D configurations keep the slices as they are."""
    methods = configuration.resampling.value
    shape = compute_network_shape(aligned.placement.cropped_shape, aligned.spacing_mm, configuration.spacing_mm.value)
    axis = choose_separate_axis(aligned.spacing_mm, methods.separate_axis)
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
    placement = aligned.placement.model_copy(update={"network_shape": shape, "separate_axis": axis})
    spacing_mm = compute_network_spacing(aligned.spacing_mm, configuration.spacing_mm.value)
    return Prepared(image, labels, spacing_mm, placement)


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


def choose_separate_axis(spacing_mm: Spacing3, planned: int | None) -> int | None:
    """The axis that is resampled apart in this case (method part 2, as nnU-Net decides it).

    A case whose own spacing is more than 3x anisotropic: its coarsest axis, none if two axes are equally coarse.
    Any other case: what the plan chose for its target spacing.
    """
    coarsest = max(spacing_mm)
    if coarsest / min(spacing_mm) <= ANISOTROPY_THRESHOLD:
        return planned
    axes = [axis for axis, spacing in enumerate(spacing_mm) if spacing >= coarsest * (1 - SPACING_TOLERANCE)]
    return axes[0] if len(axes) == 1 else None


def compute_network_spacing(spacing_mm: Spacing3, target_mm: Sequence[float]) -> Spacing3:
    """mm per voxel of the network grid: the target; of a 2D configuration, the case's own along the first axis."""
    first, second, third = (*spacing_mm[: 3 - len(target_mm)], *target_mm)
    return (first, second, third)


def _reorder(array: Array, axis_order: Axes3) -> Array:
    """Transpose the last three axes into axis order."""
    leading = array.ndim - 3
    return array.transpose(*range(leading), *(leading + axis for axis in axis_order))


def _place(shape: tuple[int, ...], box: tuple[slice, ...], axis_order: Axes3, cropped: tuple[int, ...]) -> Placement:
    z, y, x = ((part.start, part.stop) for part in box)
    return Placement(
        original_shape=(shape[0], shape[1], shape[2]),
        box=(z, y, x),
        axis_order=axis_order,
        network_shape=(cropped[0], cropped[1], cropped[2]),
    )
