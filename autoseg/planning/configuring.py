"""How do the choices of one configuration follow from each other?

Patch and topology first, then the width, then the batch, then what rests on them. Each choice is a rule's; here stand
their order and what they are asked with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoseg.decision import Decision, ruled
from autoseg.planning import blueprint
from autoseg.planning.fitting import (
    Fit,
    Situation,
    count_cpu_iterations,
    count_holdable,
    count_needed,
    sketch_network,
)
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.memory import count_parameters, estimate_training_memory
from autoseg.planning.plan import Configuration, Optimizer, Topology
from autoseg.planning.reference import MIN_BATCH, count_allowed
from autoseg.planning.rules.augmentation import decide_augmentation
from autoseg.planning.rules.batch_dice import decide_batch_dice
from autoseg.planning.rules.batch_size import count_bearable, decide_batch_size, decide_cpu_batch_size
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.features import decide_cpu_features, decide_features
from autoseg.planning.rules.mirroring import decide_mirroring_axes
from autoseg.planning.rules.optimizer import decide_optimizer
from autoseg.planning.rules.patch_size import decide_patch_size
from autoseg.planning.rules.resampling import decide_resampling
from autoseg.planning.rules.topology import decide_topology
from autoseg.planning.rules.training_length import count_iterations
from autoseg.planning.throughput import predict_iteration_s


def plan_configuration(situation: Situation, fit: Fit, *, is_low_resolution_due: bool) -> Configuration:
    """All choices of a configuration, around a patch that the budget holds."""
    grid, n_dimensions = situation.grid, situation.n_dimensions
    patch = decide_patch_size(fit.search, median_shape=grid.median_shape)
    topology = decide_topology(spacing_mm=grid.spacing_mm.value, patch_size=patch.value)
    features = _choose_features(situation, fit, topology.value)
    sketch = sketch_network(situation, topology.value, features.value)
    batch = _choose_batch(situation, sketch, patch.value)
    iteration = _predict_iteration(situation, sketch, patch.value, batch.value)
    n_iterations = count_iterations(situation.length.value, iteration.value)
    as_published = situation.as_published
    optimizer = decide_optimizer(n_iterations=n_iterations, as_published=as_published)
    return Configuration(
        n_dimensions=n_dimensions,
        spacing_mm=grid.spacing_mm,
        median_shape=_state_median_shape(grid.median_shape),
        resampling=decide_resampling(spacing_mm=grid.spacing_mm.value, median_case_mm=grid.median_case_mm),
        patch_size=patch,
        batch_size=batch,
        network=situation.network,
        topology=topology,
        features=features,
        blocks=decide_blocks(network=situation.network.value, n_stages=topology.value.n_stages),
        loss=blueprint.fix_loss(),
        batch_dice=decide_batch_dice(n_dimensions=n_dimensions, is_low_resolution_due=is_low_resolution_due),
        optimizer=optimizer,
        length=situation.length,
        augmentation=decide_augmentation(patch_size=patch.value),
        mirroring_axes=decide_mirroring_axes(
            n_dimensions=n_dimensions, n_iterations=n_iterations, as_published=as_published
        ),
        foreground_share=blueprint.fix_foreground_share(),
        memory_gb=_state_memory(situation, sketch, patch.value, batch.value, optimizer.value),
        iteration_s=iteration,
    )


def _choose_features(situation: Situation, fit: Fit, topology: Topology) -> Decision[tuple[int, ...]]:
    n_stages, patch_size = topology.n_stages, fit.search.patch_size
    if not situation.is_short_of_time:
        return decide_features(width=fit.width, n_stages=n_stages, n_dimensions=situation.n_dimensions)

    def count(features: tuple[int, ...]) -> int:
        return count_cpu_iterations(situation, sketch_network(situation, topology, features), patch_size)

    def fits(features: tuple[int, ...]) -> bool:
        return count_holdable(situation, sketch_network(situation, topology, features), patch_size) >= MIN_BATCH

    return decide_cpu_features(
        n_stages=n_stages,
        n_dimensions=situation.n_dimensions,
        n_needed=count_needed(situation),
        count_iterations=count,
        fits=fits,
        time=situation.time,
    )


def _choose_batch(situation: Situation, sketch: NetworkSketch, patch_size: tuple[int, ...]) -> Decision[int]:
    n_dimensions, preset = situation.n_dimensions, situation.preset
    holdable = count_holdable(situation, sketch, patch_size)
    if situation.is_short_of_time:
        return decide_cpu_batch_size(n_dimensions=n_dimensions, holdable=holdable)
    share, patch_voxels = preset.max_share_of_dataset, math.prod(patch_size)
    return decide_batch_size(
        allowed=count_allowed(sketch, patch_size, preset, situation.budget.memory_gb.value),
        bearable=count_bearable(share=share, dataset_voxels=situation.dataset_voxels, patch_voxels=patch_voxels),
        share=share,
        holdable=None if situation.as_published else holdable,
    )


def _predict_iteration(
    situation: Situation, sketch: NetworkSketch, patch_size: tuple[int, ...], batch_size: int
) -> Decision[float | None]:
    gflops = situation.budget.gflops.value
    if gflops is None:
        return ruled(None, "the speed of this GPU is not known before training")
    seconds = predict_iteration_s(sketch, patch_size, batch_size, gflops=gflops)
    return ruled(float(f"{seconds:.3g}"), f"predicted from {gflops:g} GFLOP/s", gflops=gflops)


def _state_memory(
    situation: Situation, sketch: NetworkSketch, patch_size: tuple[int, ...], batch_size: int, optimizer: Optimizer
) -> Decision[float]:
    memory = estimate_training_memory(sketch, patch_size, batch_size, optimizer)
    budget = situation.budget.memory_gb.value
    sentence = f"predicted peak of training, of {budget:g} GB that it may use"
    if memory.total_gb > budget:
        sentence = f"WARNING: predicted peak of training, more than the {budget:g} GB that it may use"
    inputs = {"n_parameters": count_parameters(sketch), **memory.in_mb()}
    return ruled(round(memory.total_gb, 2), sentence, **inputs)


def _state_median_shape(shape: Sequence[float]) -> Decision[tuple[int | float, ...]]:
    whole = tuple(int(size) if float(size).is_integer() else size for size in shape)
    return ruled(whole, "median over cases, cropped and resampled to this spacing")
