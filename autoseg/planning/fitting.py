"""How large a patch does the budget hold?

Patch, width and batch share one budget of memory and time. Here stand the situation that a configuration is planned
in, the limits that a patch can break, and the search for the largest patch that breaks none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoseg.decision import Decision
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.memory import find_largest_batch
from autoseg.planning.plan import Budget, Length, Optimizer, Topology
from autoseg.planning.reference import MIN_BATCH, Preset, choose_preset, exceeds
from autoseg.planning.rules.batch_size import CPU_BATCH
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.features import ENOUGH_ITERATIONS, FULL_WIDTH, WIDTHS, compute_features
from autoseg.planning.rules.optimizer import FAST, PUBLISHED, decide_optimizer
from autoseg.planning.rules.patch_size import PatchSearch, search_patch
from autoseg.planning.rules.training_length import CPU_TRAIN_TIME_S, count_iterations
from autoseg.planning.throughput import predict_iteration_s

FEWEST_ITERATIONS = 500  # below so many a CPU trains on smaller patches instead; own choice, unproven


@dataclass(frozen=True)
class Grid:
    """Where a configuration's images lie, in axis order; two values for 2D.

    Attributes:
        spacing_mm: with its reason.
        median_shape: voxels of the median case after resampling.
        median_case_mm: median spacing of the images before resampling.
    """

    spacing_mm: Decision[tuple[float, ...]]
    median_shape: tuple[float, ...]
    median_case_mm: tuple[float, ...]


@dataclass(frozen=True)
class Situation:
    """What a configuration is planned from.

    Attributes:
        grid: of the configuration.
        dataset_voxels: voxels of all cases on the full-resolution grid.
        n_channels, n_labels: of the dataset.
        network, length, budget: decided before, for all configurations.
        as_published: obey nnU-Net's yardstick alone, not what this device holds.
    """

    grid: Grid
    dataset_voxels: float
    n_channels: int
    n_labels: int
    network: Decision[str]
    length: Decision[Length]
    budget: Budget
    as_published: bool

    @property
    def n_dimensions(self) -> int:
        return len(self.grid.median_shape)

    @property
    def is_short_of_time(self) -> bool:
        """Whether a CPU's time, and not memory, is what the plan has to save."""
        return self.budget.device.value == "cpu" and not self.as_published

    @property
    def time(self) -> str:
        """What `count_cpu_iterations` fills, in words."""
        usual = f"a CPU's usual {CPU_TRAIN_TIME_S / 60:g} minutes"
        return "the time" if self.length.value.train_time_s is not None else usual

    @property
    def preset(self) -> Preset:
        return choose_preset(self.network.value, self.budget.memory_gb.value)

    @property
    def likely_optimizer(self) -> Optimizer:
        """The optimiser whose memory the search reckons with; the hungrier one while the length is open."""
        n_iterations = self.length.value.n_iterations
        if n_iterations is None:
            return PUBLISHED if self.as_published else FAST
        return decide_optimizer(n_iterations=n_iterations, as_published=self.as_published).value


@dataclass(frozen=True)
class Fit:
    """A patch that the budget holds, and the width it was found with."""

    width: int
    search: PatchSearch


def fit_patch(situation: Situation) -> Fit:
    """The largest patch that the budget holds.

    Where memory is short, at full width, or at the first narrower width that fits at all. Where time is short, at the
    narrowest width; what time is left then widens it. By the published rules, at full width and no other.
    """
    widths: tuple[int, ...] = WIDTHS
    if situation.as_published:
        widths = (FULL_WIDTH,)
    elif situation.is_short_of_time:
        widths = WIDTHS[-1:]
    fit = _fit_patch_at(situation, widths[0])
    for width in widths[1:]:
        if fit.search.unmet is None:
            break
        fit = _fit_patch_at(situation, width)
    return fit


def fit_patch_on(
    situation: Situation, width: int, spacing_mm: Sequence[float], shape: Sequence[float]
) -> tuple[int, ...]:
    """The patch that the same budget holds on another grid."""
    spacing = replace_value(situation.grid.spacing_mm, tuple(spacing_mm))
    elsewhere = replace(situation, grid=Grid(spacing, tuple(shape), tuple(spacing_mm)))
    return _fit_patch_at(elsewhere, width).search.patch_size


def replace_value(decision: Decision[tuple[float, ...]], value: tuple[float, ...]) -> Decision[tuple[float, ...]]:
    """The same reason for another value."""
    return decision.model_copy(update={"value": value})


def _fit_patch_at(situation: Situation, width: int) -> Fit:
    def find_limit(patch_size: tuple[int, ...], topology: Topology) -> str | None:
        features = _features_at(situation, width, topology)
        return _find_limit(situation, sketch_network(situation, topology, features), patch_size)

    search = search_patch(
        spacing_mm=situation.grid.spacing_mm.value,
        median_shape=situation.grid.median_shape,
        find_limit=find_limit,
        floor=not situation.as_published,
    )
    return Fit(width, search)


def _features_at(situation: Situation, width: int, topology: Topology) -> tuple[int, ...]:
    return compute_features(width=width, n_stages=topology.n_stages, n_dimensions=situation.n_dimensions)


def sketch_network(situation: Situation, topology: Topology, features: tuple[int, ...]) -> NetworkSketch:
    """What a network of that topology and width consists of, in this situation."""
    network = situation.network.value
    blocks = decide_blocks(network=network, n_stages=topology.n_stages).value
    return NetworkSketch(network, topology, features, blocks, situation.n_channels, situation.n_labels)


def _find_limit(situation: Situation, sketch: NetworkSketch, patch_size: tuple[int, ...]) -> str | None:
    """What a patch breaks, in words, or None if the budget holds it."""
    memory_gb = situation.budget.memory_gb.value
    allowed = situation.preset.scale(situation.n_dimensions, memory_gb)
    if exceeds(sketch, patch_size, situation.preset, memory_gb):
        yardstick = f"{allowed / 1e6:,.0f} million values of the published {situation.preset.name}"
        return f"feature maps would exceed the {yardstick}"
    if situation.as_published:
        return None
    if count_holdable(situation, sketch, patch_size) < MIN_BATCH:
        return f"training {MIN_BATCH} patches would need more than the {memory_gb:g} GB there are"
    if situation.is_short_of_time:
        n_iterations = count_cpu_iterations(situation, sketch, patch_size)
        if n_iterations < min(FEWEST_ITERATIONS, count_needed(situation)):
            return f"{situation.time} would hold only {n_iterations:,} iterations"
    return None


def count_needed(situation: Situation) -> int:
    """Iterations that a width should get."""
    return situation.length.value.n_iterations or ENOUGH_ITERATIONS


def count_cpu_iterations(situation: Situation, sketch: NetworkSketch, patch_size: tuple[int, ...]) -> int:
    """Iterations that the time of a fold holds; where the length is in epochs, the CPU's usual time."""
    batch_size, gflops = CPU_BATCH[situation.n_dimensions], situation.budget.gflops.value or 1.0
    iteration_s = predict_iteration_s(sketch, patch_size, batch_size, gflops=gflops)
    return count_iterations(Length(train_time_s=situation.length.value.train_time_s or CPU_TRAIN_TIME_S), iteration_s)


def count_holdable(situation: Situation, sketch: NetworkSketch, patch_size: tuple[int, ...]) -> int:
    """The largest batch that the device's memory holds."""
    memory_gb = situation.budget.memory_gb.value
    return find_largest_batch(sketch, patch_size, situation.likely_optimizer, memory_gb=memory_gb)
