"""The schema of a plan: every choice of the method as a `Decision`, for one dataset on one budget.

A plan holds what the configurations share (axis order, normalisation, folds, the budget) and one `Configuration` per
trainable set-up. Tuples run along the configuration's axes: three in axis order for 3D, the last two for 2D.
"""

from __future__ import annotations

from typing import Any, Literal

import pydantic

from autoseg.data.labels import Labels
from autoseg.decision import Decision
from autoseg.errors import UsageError
from autoseg.fingerprinting.fingerprint import Intensities
from autoseg.planning import blueprint
from autoseg.planning.choices import (
    Augmentation,
    Blocks,
    Corruption,
    EarlyStopping,
    Length,
    Loss,
    Optimizer,
    PatchStep,
    Resampling,
    Topology,
)
from autoseg.planning.devices import Speed
from autoseg.planning.walking import walk_decisions
from autoseg.planning.wishes import Wishes
from autoseg.serialization import Record, did_you_mean, digest

FORMAT = 1
FIRST_CHOICES = ("3d_fullres", "2d")  # what is trained when nobody says what: volumes as volumes, where there are any
FORECASTS = ("memory_gb", "prediction_memory_gb", "iteration_s", "fold_hours", "disk_gb")  # what it is expected to cost
MEANS = ("compile", "memory_layout", "augmentation_engine")  # how the same is computed, faster or slower
NOT_OBEYED = (*FORECASTS, *MEANS, "median_shape", "length")  # a network is the same whatever these say


class Budget(Record):
    """What the plan may spend.

    Attributes:
        device: `cpu`, `cuda` or `mps`: where training runs.
        memory_gb: memory that training may use on that device.
        train_time_s: wall-clock seconds of training per fold; None where the length is given in epochs.
        speeds: how fast training runs there, by number of dimensions (`2d`, `3d`); empty where nobody measured it.
    """

    device: Decision[str]
    memory_gb: Decision[float]
    train_time_s: Decision[float | None]
    speeds: Decision[dict[str, Speed]]


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


class Cascade(Record):
    """What a configuration sees beside the image.

    Attributes:
        previous: the configuration whose segmentation enters as one channel per foreground label.
        corruption: how that segmentation is damaged in training.
        through: the grid on which the previous segmentation of a new image is decided: the cascade's own network grid,
            or first the original grid, from where it is resampled label by label.
    """

    previous: Decision[str]
    corruption: Decision[Corruption]
    through: Decision[Literal["network_grid", "original_grid"]] = blueprint.fix_cascade_grid()


class Configuration(Record):
    """One trainable set-up: `2d`, `3d_fullres`, `3d_lowres` or `3d_cascade`.

    Attributes:
        cascade: None where the image is all that the network sees.
        spacing_mm: the grid that images are resampled to.
        median_shape: voxels of the median case on that grid; halves occur when the number of cases is even.
        patch_schedule: smaller patches for earlier parts of training; empty where all see `patch_size`.
        foreground_share: share of the patches that is centred on foreground (oversampling).
        case_sampling: how the case of a patch is drawn, out of `blueprint.CASE_SAMPLINGS`.
        dropout: share of feature maps that training blanks.
        early_stopping: None where training lasts its whole length.
        precision: arithmetic in training: `float32`, or `bfloat16` or `float16` mixed with it.
        memory_layout: of feature maps: `channels_last`, `contiguous`, or `auto` for the faster on this kind of device.
        compile: whether torch compiles the network before training.
        augmentation_engine: who augments patches: `workers`, the training `device`, or `auto` for the faster.
        memory_gb: predicted peak of training, with its parts as inputs.
        prediction_memory_gb: predicted peak of predicting the median case with all folds, with its parts as inputs.
        iteration_s: predicted seconds of one iteration, None where the device's speed is unknown.
        fold_hours: predicted hours of training one fold.
        disk_gb: predicted size of the preprocessed cases.
    """

    n_dimensions: int
    cascade: Cascade | None = None
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
    patch_schedule: Decision[tuple[PatchStep, ...]] = blueprint.fix_patch_schedule()
    case_sampling: Decision[str] = blueprint.fix_case_sampling()
    dropout: Decision[float] = blueprint.fix_dropout()
    early_stopping: Decision[EarlyStopping | None] = blueprint.fix_early_stopping()
    precision: Decision[Literal["float32", "bfloat16", "float16"]]
    memory_layout: Decision[Literal["auto", "channels_last", "contiguous"]] = blueprint.fix_memory_layout()
    compile: Decision[bool] = blueprint.fix_compile()
    augmentation_engine: Decision[Literal["auto", "workers", "device"]] = blueprint.fix_engine()
    memory_gb: Decision[float]
    prediction_memory_gb: Decision[float]
    iteration_s: Decision[float | None]
    fold_hours: Decision[float | None]
    disk_gb: Decision[float]

    @pydantic.model_serializer(mode="wrap")
    def _leave_out_no_cascade(self, handler: Any) -> Any:
        shown = handler(self)
        if self.cascade is None:
            shown.pop("cascade", None)
        return shown

    def count_input_channels(self, n_channels: int, n_labels: int) -> int:
        """Channels that the network sees: the image's, and one per foreground label of a previous segmentation."""
        return n_channels + (n_labels - 1 if self.cascade is not None else 0)

    @property
    def digest(self) -> str:
        """Names the values a trained network obeys; reasons, forecasts and the length may change without it."""
        return digest({name: value for name, value in list_obeyed(self).items() if name not in NOT_OBEYED})


class Cost(Record):
    """What all configurations cost together: hours of training all folds, GB of preprocessed cases on disk."""

    hours: Decision[float | None]
    disk_gb: Decision[float]


class Plan(Record):
    """All decisions for one dataset on one budget.

    Attributes:
        left_out: configurations that were not planned, and why.
        seal: names the value of each decision as a rule set it, by dotted key: an edit inside a block is noticed.
    """

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
    cost: Cost
    configurations: dict[str, Configuration]
    seal: dict[str, str] = {}

    @property
    def first_choice(self) -> str:
        """The configuration to train when none is asked for."""
        known = [name for name in FIRST_CHOICES if name in self.configurations]
        return next(iter([*known, *self.configurations]))

    @property
    def pinned(self) -> tuple[str, ...]:
        """Dotted keys of the decisions that a person set in the file."""
        return tuple(key for key, decision in walk_decisions(self) if decision.is_set_by_hand)

    def find_configuration(self, name: str) -> Configuration:
        """Look a configuration up. Raises UsageError with the nearest name for an unknown one."""
        if name in self.configurations:
            return self.configurations[name]
        why = f" {self.left_out[name].reason}" if name in self.left_out else did_you_mean(name, self.configurations)
        raise UsageError(f"The plan has no configuration {name}.{why}")

    def training_digest(self, name: str) -> str:
        """Names all that a trained network obeys: its configuration, the data, and how they were preprocessed."""
        configuration = self.find_configuration(name)
        parts = [configuration.digest, self.preprocessing_digest(name), self.fingerprint_digest]
        if configuration.cascade is not None:
            parts.append(self.training_digest(configuration.cascade.previous.value))
        return digest(parts)

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


def list_obeyed(value: Any) -> Any:
    """Values without reasons, and without those that are a schema's defaults: a field that is added later with a
    default changes no digest."""
    if isinstance(value, Decision):
        return list_obeyed(value.value)
    if isinstance(value, Record):
        fields = type(value).model_fields
        named = {name: (list_obeyed(getattr(value, name)), field.default) for name, field in fields.items()}
        return {name: shown for name, (shown, default) in named.items() if shown != list_obeyed(default)}
    if isinstance(value, dict):
        return {key: list_obeyed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [list_obeyed(item) for item in value]
    return value


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
