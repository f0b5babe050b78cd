"""The values that a plan chooses, where one is more than a number: topology, loss, optimiser, augmentation, ...

Tuples run along the configuration's axes: three in axis order for 3D, the last two for 2D.
"""

from __future__ import annotations

from typing import Any, Literal

import pydantic

from autoseg.serialization import Record

Separate = Literal["by_spacing", "never", "always"]


class Resampling(Record):
    """Spline orders of resampling, and the axis that is resampled on its own.

    A file holds `separate` only where it is not by_spacing: plans of before, and their digests, stay what they are.

    Attributes:
        image_order, segmentation_order, logits_order: within the plane, or along all axes.
        separate_axis: the axis (in axis order) that is resampled on its own where the case's own spacing does not
            decide it, None if all are treated alike.
        separate_order: the spline order along that axis.
        separate: whether an axis is resampled on its own; names in `naming.SEPARATE`.
    """

    image_order: int = 3
    segmentation_order: int = 1
    logits_order: int = 1
    separate_axis: int | None = None
    separate_order: int = 0
    separate: Separate = "by_spacing"

    @pydantic.model_serializer(mode="wrap")
    def _leave_out_by_spacing(self, handler: Any) -> Any:
        shown = handler(self)
        if self.separate == "by_spacing":
            shown.pop("separate", None)
        return shown


class Topology(Record):
    """The shape of a U-Net: one entry per stage, finest first.

    Attributes:
        strides: downsampling on entering the stage, per axis; the first stage has 1.
        kernel_sizes: convolution kernel per axis.
    """

    strides: tuple[tuple[int, ...], ...]
    kernel_sizes: tuple[tuple[int, ...], ...]

    @property
    def n_stages(self) -> int:
        return len(self.strides)

    @property
    def divisor(self) -> tuple[int, ...]:
        """What each axis of a patch must be a multiple of."""
        total = [1] * len(self.strides[0])
        for strides in self.strides:
            total = [before * stride for before, stride in zip(total, strides, strict=True)]
        return tuple(total)


class Blocks(Record):
    """Blocks per stage: residual blocks or convolutions in the encoder, convolutions in the decoder."""

    encoder: tuple[int, ...]
    decoder: tuple[int, ...]


class Loss(Record):
    """A weighted sum of named terms, e.g. `{cross_entropy: 1, soft_dice: 1}`.

    Attributes:
        terms: weight of each term, by its name or by the dotted path of a user's own (`my_package.losses:MyLoss`).
        parameters: numbers of a term, by its name, where they are not the usual ones: `{focal: {gamma: 3}}`.
        deep_supervision: whether coarser stages of the decoder are supervised as well.
    """

    terms: dict[str, float]
    parameters: dict[str, dict[str, Any]] = {}
    deep_supervision: bool = True


class Optimizer(Record):
    """Name and numbers of the optimiser, and how its learning rate runs over the share of training that is spent.

    Attributes:
        name: of a known optimiser, or the dotted path of a user's own, which is called with the network's parameters,
            `lr`, `weight_decay` and `parameters`.
        gradient_clip_norm: None clips nothing.
        ema_decay: of the averaged weights, None for no averaging.
        parameters: further numbers of the optimiser, by name.
    """

    name: str
    learning_rate: float
    weight_decay: float
    momentum: float = 0.99
    schedule: str = "polynomial"
    warmup_share: float = 0.0
    gradient_clip_norm: float | None = 12.0
    ema_decay: float | None = None
    parameters: dict[str, Any] = {}


class Length(Record):
    """How long training lasts: seconds of wall clock, or a number of iterations; one of them is None."""

    train_time_s: float | None = None
    n_iterations: int | None = None
    iterations_per_epoch: int | None = None


class PatchStep(Record):
    """A part of training that sees smaller patches than the rest.

    Attributes:
        until_share: of the training that it lasts to, between 0 and 1.
        patch_size, batch_size: of its batches.
    """

    until_share: float
    patch_size: tuple[int, ...]
    batch_size: int


class EarlyStopping(Record):
    """When training ends before its length is spent.

    Attributes:
        check_every: epochs between two predictions of the whole validation cases.
        patience: checks in a row without a gain after which training ends.
        min_gain: of the mean Dice, that counts as a gain.
    """

    check_every: int = 5
    patience: int = 4
    min_gain: float = 0.001


class Transform(Record):
    """One augmentation: the probability per sample, and the range its strength is drawn from.

    Attributes:
        probability: per sample.
        range: (low, high), in the unit of the transform; None where there is nothing to draw.
        probability_per_channel: for transforms that treat channels one by one.
    """

    probability: float
    range: tuple[float, float] | None = None
    probability_per_channel: float = 1.0


class Augmentation(Record):
    """What is done to a training patch, in this order. Rotation in degrees, sigma in voxels.

    Attributes:
        in_plane: rotate and scale within the last two axes only, because the patch is flat.
        elastic: displacements of a coarse grid of control points, in voxels, interpolated between them.
        custom: dotted paths of a user's own transforms, applied last.
    """

    in_plane: bool
    rotation_deg: Transform
    scaling: Transform
    gaussian_noise: Transform
    gaussian_blur: Transform
    brightness: Transform
    contrast: Transform
    low_resolution: Transform
    inverted_gamma: Transform
    gamma: Transform
    mirroring: Transform
    elastic: Transform = Transform(probability=0.0)
    custom: tuple[str, ...] = ()


class Corruption(Record):
    """How the previous segmentation is damaged before a cascade trains on it, so that it is not trusted blindly.

    Attributes:
        borders: a label is eroded or dilated; the range is that of the ball's radius in voxels.
        components: connected components of a label are removed; the range is that of the largest share of the patch
            that a removed component covers.
    """

    borders: Transform
    components: Transform
