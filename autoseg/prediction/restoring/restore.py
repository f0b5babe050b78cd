"""How do logits on the network grid become a segmentation on the original grid, in bounded memory and little time?

Source: Isensee et al., Nature Methods 2021; method part 5: resample the logits, then take the largest. The result is
made in small pieces, from the few network voxels that each needs, so that memory does not grow with the volume or the
number of labels. Only outputs that can matter in a piece are resampled there (`contending`). The same way leads from a
low-resolution network's grid to that of the cascade which builds on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoseg.data.labels import LABEL_DTYPE, Region
from autoseg.errors import UsageError
from autoseg.planning.choices import Resampling
from autoseg.prediction.restoring.on_cpu import BYTES_PER_LOGIT, ProbabilitySink, Target, fill
from autoseg.preprocessing.preprocess import Axes3, Placement
from autoseg.preprocessing.resampling import Matrices, axis_orders, compute_matrices

if TYPE_CHECKING:
    import torch

    from autoseg.prediction.windows.agreement import Agreement

SLAB_BYTES = 2**28  # working memory beside members and result

__all__ = [
    "BYTES_PER_LOGIT", "SLAB_BYTES", "Member", "ProbabilitySink", "Restored", "Softness", "restore", "segment_on_grid",
]  # fmt: skip

Array = np.ndarray


@dataclass(frozen=True)
class Member:
    """What one configuration says about a case.

    Attributes:
        logits: float32 (K, *network shape) in axis order, in memory or in a file (`spilling`).
        placement: where the network grid lies in the original image.
        resampling: the spline orders; logits follow `logits_order`, and `separate_order` along the placement's axis
            for the way back.
        regions: what the K outputs are, in painting order; empty where they are labels, background first.
        agreement: how alike the networks of its folds are; None for a single one, or where it was not measured.
    """

    logits: Array
    placement: Placement
    resampling: Resampling
    regions: tuple[Region, ...] = ()
    agreement: Agreement | None = None

    @property
    def n_outputs(self) -> int:
        return len(self.logits)

    def compute_matrices(self) -> Matrices:
        """The maps from the network grid to the crop, one per axis."""
        return self.compute_matrices_to(self.placement.cropped_shape, self.placement.separate_axis_back)

    def compute_matrices_to(self, shape: Axes3, separate_axis: int | None) -> Matrices:
        """The maps from the network grid to another grid over the same crop, one per axis."""
        orders = axis_orders(self.resampling.logits_order, separate_axis, self.resampling.separate_order)
        return compute_matrices(self.logits.shape[1:], shape, orders)


@dataclass(frozen=True)
class Softness:
    """How probable a segmentation is, summed over the crop.

    Probabilities that cannot be noticed in the entropy are estimated (`certainty`); where they are written to files,
    those below 2e-9 may count as 0 instead.

    Attributes:
        n_predicted: float64 (K,), voxels that the segmentation gives to each output; to a region, by its labels.
        inside: float64 (K,), sum of the output's probability over those voxels.
        total: float64 (K,), sum of its probability over the whole crop.
    """

    n_predicted: Array
    inside: Array
    total: Array


@dataclass(frozen=True)
class Restored:
    """A prediction on the original grid.

    Attributes:
        segmentation: int16 (Z, Y, X); background outside the crop.
        entropy: uint8 (Z, Y, X) if it was asked for: Shannon's entropy of the combined probabilities over ln K, 255
            for 1; for regions, the largest binary entropy over ln 2. 0 outside the crop. It may be a step off what all
            outputs would give, for improbable ones are left out; how many depends on `slab_bytes`.
        softness: if it was asked for.
    """

    segmentation: Array
    entropy: Array | None = None
    softness: Softness | None = None


def restore(
    members: Sequence[Member],
    *,
    entropy: bool = False,
    softness: bool = False,
    probabilities: ProbabilitySink | None = None,
    slab_bytes: int = SLAB_BYTES,
    device: torch.device | None = None,
) -> Restored:
    """Bring the members' predictions to the original grid and combine them into one segmentation.

    One member: the label with the largest resampled logit. Several: the label with the largest mean probability. Of
    equal values the smaller label wins. Regions: painted where the logit is above 0, or the mean probability above 0.5.

    Args:
        members: of one case and one crop; their network grids may differ.
        entropy: whether to return how undecided each voxel is.
        softness: whether to sum up how probable the segmentation is.
        probabilities: takes the combined probabilities of the crop.
        slab_bytes: working memory beside members and result, whatever the number of outputs; a few voxels are the least
            that is worked on at once.
        device: where blocks are resampled and decided; None for the CPU.

    Raises:
        UsageError: the members are not of one case, or know different labels or regions.
    """
    _require_one_case(members)
    placement = members[0].placement
    segmentation = np.zeros(placement.original_shape, dtype=LABEL_DTYPE)
    undecided = np.zeros(placement.original_shape, dtype=np.uint8) if entropy else None
    target = Target(
        view_crop(segmentation, placement),
        None if undecided is None else view_crop(undecided, placement),
        probabilities,
        softness,
    )
    sums = fill(members, [member.compute_matrices() for member in members], target, slab_bytes, device)
    return Restored(segmentation, undecided, Softness(*sums) if softness else None)


def segment_on_grid(
    member: Member,
    shape: Axes3,
    *,
    separate_axis: int | None = None,
    slab_bytes: int = SLAB_BYTES,
    device: torch.device | None = None,
) -> Array:
    """The member's segmentation on the network grid of another configuration: what a cascade sees beside the image.

    Args:
        member: logits of the configuration before.
        shape: voxels of the other network grid over the same crop, in axis order.
        separate_axis: the axis between the two grids that is resampled apart, None for no such axis.
        slab_bytes, device: as for `restore`.

    Returns:
        int16 of `shape`: the label with the largest resampled logit, of equals the smaller; or the painted regions.
    """
    segmentation = np.zeros(shape, dtype=LABEL_DTYPE)
    matrices = member.compute_matrices_to(shape, separate_axis)
    fill([member], [matrices], Target(segmentation), slab_bytes, device)
    return segmentation


def view_crop(volume: Array, placement: Placement) -> Array:
    """The crop of an original volume as a view in axis order: what is written there lands in its place."""
    return volume[placement.slices].transpose(placement.axis_order)


def _require_one_case(members: Sequence[Member]) -> None:
    crop = _describe_crop(members[0])
    for member in members[1:]:
        if (other := _describe_crop(member)) != crop:
            raise UsageError(
                f"An ensemble's members must predict the same crop and labels, expected {crop}, but one has {other}. "
                "Combine configurations of one plan."
            )


def _describe_crop(member: Member) -> tuple[object, ...]:
    place = member.placement
    names = tuple(region.name for region in member.regions)
    return (place.original_shape, place.box, place.axis_order, member.n_outputs, *([names] if names else []))
