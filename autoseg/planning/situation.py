"""What is a configuration planned from?

Its grid, the budget, and what was decided before for all configurations or pinned by a person; and the network that a
topology and a width mean in this situation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoseg.decision import Decision
from autoseg.planning.choices import Blocks, Length, Optimizer, Topology
from autoseg.planning.grids import Grid
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.memory import estimate_training_memory, find_largest_batch
from autoseg.planning.pinning import Pins
from autoseg.planning.plan import Budget
from autoseg.planning.reference import SIZES, Preset, choose_preset, count_allowed, exceeds, scale_presets
from autoseg.planning.rules.batch_size import CPU_BATCH, MAX_SHARE_OF_DATASET
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.features import compute_features
from autoseg.planning.rules.optimizer import FAST, PUBLISHED, decide_optimizer
from autoseg.planning.rules.precision import Precision
from autoseg.planning.rules.training_length import CPU_TRAIN_TIME_S, count_iterations
from autoseg.planning.throughput import predict_iteration_s


@dataclass(frozen=True)
class Situation:
    """What a configuration is planned from.

    Attributes:
        grid: of the configuration.
        n_channels: that the network sees, those of a previous segmentation included.
        n_outputs: labels that it tells apart, background included, or regions.
        n_names: of labels or regions in the dataset, background and an ignore label included, which the published
            yardstick counts.
        network, length, precision, budget: decided before.
        size: the published preset that was asked for.
        as_published: obey nnU-Net's yardstick alone, not what this device holds.
        pins: what a person set of this configuration.
        augmentation: the preset that was asked for.
    """

    grid: Grid
    n_channels: int
    n_outputs: int
    n_names: int
    network: Decision[str]
    length: Decision[Length]
    precision: Decision[Precision]
    budget: Budget
    size: str | None
    as_published: bool
    pins: Pins
    augmentation: str = "default"

    @property
    def n_dimensions(self) -> int:
        return self.grid.n_dimensions

    @property
    def is_on_cpu(self) -> bool:
        return self.budget.device.value == "cpu" and not self.as_published

    @property
    def is_short_of_time(self) -> bool:
        """Whether the plan saves time: on a CPU always, on a GPU of known speed where a time was asked for."""
        has_time = self.is_on_cpu or self.length.value.train_time_s is not None
        return has_time and f"{self.n_dimensions}d" in self.budget.speeds.value and not self.as_published

    @property
    def time(self) -> str:
        """What `count_training_iterations` fills, in words."""
        usual = f"a CPU's usual {CPU_TRAIN_TIME_S / 60:g} minutes"
        return "the time" if self.length.value.train_time_s is not None else usual

    @property
    def memory_gb(self) -> float:
        return self.budget.memory_gb.value

    @property
    def preset(self) -> Preset:
        """The published budget that is scaled to this memory."""
        network = self.network.value
        if self.size is not None:
            return SIZES[self.size]
        if self.as_published:
            return choose_preset(network, self.memory_gb)
        return scale_presets(network, self.memory_gb, self.n_dimensions)

    @property
    def share_of_dataset(self) -> float:
        """What a batch may have of all voxels of the dataset."""
        share = self.preset.max_share_of_dataset
        return share if self.as_published else min(share, MAX_SHARE_OF_DATASET)

    @property
    def usual_batch(self) -> int:
        """The batch that a patch is chosen for."""
        if "batch_size" in self.pins:
            return int(self.pins.values["batch_size"])
        return (CPU_BATCH if self.is_on_cpu else self.preset.shrinks_for_batch)[self.n_dimensions]

    @property
    def likely_optimizer(self) -> Optimizer:
        """The optimiser whose memory the search reckons with; the hungrier one while the length is open."""
        if "optimizer" in self.pins:
            pinned: Optimizer = self.pins.values["optimizer"]
            return pinned
        n_iterations = self.length.value.n_iterations
        if n_iterations is None:
            return PUBLISHED if self.as_published else FAST
        return decide_optimizer(n_iterations=n_iterations, as_published=self.as_published).value

    def on(self, grid: Grid) -> Situation:
        """The same situation on another grid."""
        return replace(self, grid=grid)

    def sketch(self, topology: Topology, features: tuple[int, ...]) -> NetworkSketch:
        """What a network of that topology and width consists of."""
        network = self.network.value
        blocks = decide_blocks(network=network, n_stages=topology.n_stages).value
        pinned = self.pins.values.get("blocks")
        n_stages = topology.n_stages
        if isinstance(pinned, Blocks) and (len(pinned.encoder), len(pinned.decoder)) == (n_stages, n_stages - 1):
            blocks = pinned
        return NetworkSketch(network, topology, features, blocks, self.n_channels, self.n_outputs)

    def features_at(self, width: int, topology: Topology) -> tuple[int, ...]:
        """Features per stage at a width, or as a person pinned them for so many stages."""
        pinned = self.pins.values.get("features", ())
        if len(pinned) == topology.n_stages:
            return tuple(pinned)
        width = pinned[0] if pinned else width
        return compute_features(width=width, n_stages=topology.n_stages, n_dimensions=self.n_dimensions)


def exceeds_yardstick(situation: Situation, sketch: NetworkSketch, patch_size: Sequence[int]) -> bool:
    """Whether a patch is too large for the published budget, scaled to this memory."""
    counted = replace(sketch, n_labels=situation.n_names)
    return exceeds(counted, patch_size, situation.preset, situation.memory_gb)


def count_allowed_batch(situation: Situation, sketch: NetworkSketch, patch_size: Sequence[int]) -> int:
    """The batch that the published budget allows, scaled to this memory."""
    counted = replace(sketch, n_labels=situation.n_names)
    return count_allowed(counted, patch_size, situation.preset, situation.memory_gb)


def count_holdable(situation: Situation, sketch: NetworkSketch, patch_size: Sequence[int]) -> int:
    """The largest batch that the device's memory holds."""
    return find_largest_batch(
        sketch,
        patch_size,
        situation.likely_optimizer,
        memory_gb=situation.memory_gb,
        device=situation.budget.device.value,
        precision=situation.precision.value,
    )


def is_holdable(situation: Situation, sketch: NetworkSketch, patch_size: Sequence[int], n_patches: int) -> bool:
    """Whether the device's memory holds a batch of so many patches."""
    memory = estimate_training_memory(
        sketch,
        patch_size,
        n_patches,
        situation.likely_optimizer,
        device=situation.budget.device.value,
        precision=situation.precision.value,
    )
    return memory.total_gb <= situation.memory_gb


def count_training_iterations(situation: Situation, sketch: NetworkSketch, patch_size: Sequence[int]) -> int:
    """Iterations that the time of a fold holds; where the length is in epochs, a CPU's usual time."""
    speeds = situation.budget.speeds.value
    iteration_s = predict_iteration_s(sketch, patch_size, situation.usual_batch, speeds=speeds)
    length = Length(train_time_s=situation.length.value.train_time_s or CPU_TRAIN_TIME_S)
    return count_iterations(length, iteration_s)
