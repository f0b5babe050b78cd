"""The schema of a plan: every choice of the method as a `Decision`, for one dataset on one budget.

A plan holds what the configurations share (axis order, normalisation, folds, the budget) and one `Configuration` per
trainable set-up. Tuples run along the configuration's axes: three in axis order for 3D, the last two for 2D.
"""

from __future__ import annotations

from typing import Any, Literal

from autoseg.data.labels import Labels
from autoseg.decision import SET_BY_HAND, Decision
from autoseg.errors import UsageError
from autoseg.fingerprinting.fingerprint import Intensities
from autoseg.planning.walking import walk_decisions
from autoseg.serialization import Record, did_you_mean, digest

FORMAT = 1
FIRST_CHOICES = ("3d_fullres", "2d")  # what is trained when nobody says what: volumes as volumes, where there are any
FORECASTS = ("memory_gb", "iteration_s")  # what a configuration is expected to cost
NOT_OBEYED = (*FORECASTS, "median_shape", "length")  # a network is the same whatever these say


class Wishes(Record):
    """What a person asked the planner for; the rules decide the rest.

    Attributes:
        gpu_memory_gb: memory that training may use, instead of what the device has.
        train_time_s: wall-clock seconds per fold.
        n_epochs: epochs of 250 iterations, instead of a time.
        network: a network's name, or `auto`.
        rules: `nnunet` obeys the published yardstick alone: no device, no time, no name that nnU-Net does not know.
    """

    gpu_memory_gb: float | None = None
    train_time_s: float | None = None
    n_epochs: int | None = None
    network: str = "auto"
    rules: Literal["autoseg", "nnunet"] = "autoseg"

    @property
    def as_published(self) -> bool:
        return self.rules == "nnunet"


class Budget(Record):
    """What the plan may spend.

    Attributes:
        device: `cpu`, `cuda` or `mps`: where training runs.
        memory_gb: memory that training may use on that device.
        train_time_s: wall-clock seconds of training per fold; None where the length is given in epochs.
        gflops: sustained billions of floating-point operations per second, None where it does not matter.
    """

    device: Decision[str]
    memory_gb: Decision[float]
    train_time_s: Decision[float | None]
    gflops: Decision[float | None]


class ChannelPlan(Record):
    """How one channel is normalised.

    Attributes:
        channel: its name.
        scheme: a name out of `blueprint.NORMALIZATION_SCHEMES`.
        inside_mask: whether statistics are taken, and values changed, only where the image is non-zero.
        intensities: foreground statistics of the dataset, for schemes that use them.
    """

    channel: str
    scheme: Decision[str]
    inside_mask: Decision[bool]
    intensities: Decision[Intensities | None]


class Resampling(Record):
    """Spline orders of resampling.

    Attributes:
        image_order, segmentation_order, logits_order: within the plane, or along all axes.
        separate_axis: the axis (in axis order) that is resampled on its own, None if all are treated alike.
        separate_order: the spline order along that axis.
    """

    image_order: int = 3
    segmentation_order: int = 1
    logits_order: int = 1
    separate_axis: int | None = None
    separate_order: int = 0


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
    """A weighted sum of named terms, e.g. `{cross_entropy: 1, soft_dice: 1}`."""

    terms: dict[str, float]
    deep_supervision: bool = True


class Optimizer(Record):
    """Name and numbers of the optimiser, and how its learning rate runs over the share of training that is spent."""

    name: str
    learning_rate: float
    weight_decay: float
    momentum: float = 0.99
    schedule: str = "polynomial"
    warmup_share: float = 0.0
    gradient_clip_norm: float = 12.0
    ema_decay: float | None = None


class Length(Record):
    """How long training lasts: seconds of wall clock, or a number of iterations; one of them is None."""

    train_time_s: float | None = None
    n_iterations: int | None = None
    iterations_per_epoch: int | None = None


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


class Configuration(Record):
    """One trainable set-up: `2d` or `3d_fullres`.

    Attributes:
        spacing_mm: the grid that images are resampled to.
        median_shape: voxels of the median case on that grid; halves occur when the number of cases is even.
        memory_gb: predicted peak of training, with its parts as inputs.
        iteration_s: predicted seconds of one iteration, None where the device's speed is unknown.
    """

    n_dimensions: int
    spacing_mm: Decision[tuple[float, ...]]
    median_shape: Decision[tuple[int | float, ...]]
    resampling: Decision[Resampling]
    patch_size: Decision[tuple[int, ...]]
    batch_size: Decision[int]
    network: Decision[str]
    topology: Decision[Topology]
    features: Decision[tuple[int, ...]]
    blocks: Decision[Blocks]
    loss: Decision[Loss]
    batch_dice: Decision[bool]
    optimizer: Decision[Optimizer]
    length: Decision[Length]
    augmentation: Decision[Augmentation]
    mirroring_axes: Decision[tuple[int, ...]]
    foreground_share: Decision[float]
    memory_gb: Decision[float]
    iteration_s: Decision[float | None]

    @property
    def digest(self) -> str:
        """Names the values a trained network obeys; reasons, forecasts and the length may change without it."""
        values = values_only(self)
        return digest({name: value for name, value in values.items() if name not in NOT_OBEYED})


class Plan(Record):
    """All decisions for one dataset on one budget."""

    autoseg_plan: int = FORMAT
    dataset: str
    fingerprint_digest: str
    channels: tuple[str, ...]
    labels: Labels
    wishes: Wishes = Wishes()
    budget: Budget
    axis_order: Decision[tuple[int, int, int]]
    normalization: tuple[ChannelPlan, ...]
    n_folds: Decision[int]
    left_out: dict[str, Decision[bool]] = {}
    configurations: dict[str, Configuration]

    @property
    def first_choice(self) -> str:
        """The configuration to train when none is asked for."""
        known = [name for name in FIRST_CHOICES if name in self.configurations]
        return next(iter([*known, *self.configurations]))

    @property
    def pinned(self) -> tuple[str, ...]:
        """Dotted keys of the decisions that a person set in the file."""
        return tuple(key for key, decision in walk_decisions(self) if decision.reason == SET_BY_HAND)

    def find_configuration(self, name: str) -> Configuration:
        """Look a configuration up. Raises UsageError with the nearest name for an unknown one."""
        if name in self.configurations:
            return self.configurations[name]
        why = f" {self.left_out[name].reason}" if name in self.left_out else did_you_mean(name, self.configurations)
        raise UsageError(f"The plan has no configuration {name}.{why}")

    def training_digest(self, name: str) -> str:
        """Names all that a trained network obeys: its configuration, the data, and how they were preprocessed."""
        return digest([self.find_configuration(name).digest, self.preprocessing_digest(name), self.fingerprint_digest])

    def preprocessing_digest(self, name: str) -> str:
        """Names exactly the values that shape the preprocessed data of a configuration."""
        configuration = self.find_configuration(name)
        return digest(
            {
                "n_dimensions": configuration.n_dimensions,
                "spacing_mm": configuration.spacing_mm.value,
                "resampling": configuration.resampling.value,
                "axis_order": self.axis_order.value,
                "normalization": values_only(self.normalization),
                "labels": self.labels,
            }
        )


def values_only(value: Any) -> Any:
    """Strip decisions down to their values, all the way."""
    if isinstance(value, Decision):
        return values_only(value.value)
    if isinstance(value, Record):
        return {name: values_only(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {key: values_only(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [values_only(item) for item in value]
    return value
