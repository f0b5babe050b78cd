"""How do the choices of one configuration follow from each other?

Patch and topology first, then the width, then the batch, then what rests on them. Each choice is a rule's, or a
person's who pinned it; here stand their order and what they are asked with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from autoseg.decision import Decision, ruled
from autoseg.errors import PlanError
from autoseg.fingerprinting.fingerprint import Fingerprint, SidePair
from autoseg.planning import blueprint
from autoseg.planning.choices import Topology
from autoseg.planning.fitting import Fit, count_needed, fit_patch, fit_topology
from autoseg.planning.forecasting import Images, Work, forecast, predict_iteration
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.plan import Cascade, Configuration
from autoseg.planning.rules.augmentation import decide_augmentation
from autoseg.planning.rules.batch_dice import decide_batch_dice
from autoseg.planning.rules.batch_size import (
    count_bearable,
    decide_batch_size,
    decide_cpu_batch_size,
    decide_published_batch_size,
)
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.features import FULL_WIDTH, decide_features, decide_features_in_time
from autoseg.planning.rules.memory_layout import decide_memory_layout
from autoseg.planning.rules.mirroring import decide_mirroring_axes
from autoseg.planning.rules.optimizer import decide_optimizer
from autoseg.planning.rules.patch_size import Patch, decide_patch_size
from autoseg.planning.rules.resampling import decide_resampling
from autoseg.planning.rules.topology import decide_topology
from autoseg.planning.rules.training_length import count_iterations
from autoseg.planning.situation import (
    Situation,
    count_allowed_batch,
    count_holdable,
    count_training_iterations,
    is_holdable,
)


def plan_configuration(
    situation: Situation,
    fingerprint: Fingerprint,
    *,
    axis_order: Sequence[int],
    is_low_resolution_due: bool,
    n_folds: int,
    cascade: Cascade | None = None,
    fit: Fit | None = None,
) -> Configuration:
    """All choices of a configuration, around a patch that the budget holds.

    Args:
        situation: what it is planned from.
        fingerprint: of the dataset.
        axis_order: of the plan.
        is_low_resolution_due: whether a full-resolution patch shows little of a case.
        n_folds: that predict together.
        cascade: what it sees beside the image.
        fit: the patch, if it was looked for already.
    """
    grid = situation.grid
    network, sketch = _choose_network(situation, fit or fit_patch(situation))
    patch_size, batch_size = network["patch_size"].value, network["batch_size"].value
    training = {
        **_choose_training(situation, sketch, patch_size, batch_size, axis_order, fingerprint.side_pairs),
        **_choose_sampling(situation, patch_size),
        **_choose_computing(situation),
    }
    batch_dice = decide_batch_dice(n_dimensions=situation.n_dimensions, is_low_resolution_due=is_low_resolution_due)
    work = Work(
        sketch,
        patch_size,
        batch_size,
        training["optimizer"].value,
        situation.precision.value,
        situation.length.value,
        training["patch_schedule"].value,
    )
    images = Images(len(fingerprint.channels), grid.median_volume, grid.stored_voxels, grid.spacing_mm.value)
    return Configuration(
        n_dimensions=situation.n_dimensions,
        cascade=cascade,
        spacing_mm=grid.spacing_mm,
        median_shape=_state_median_shape(grid.median_shape),
        resampling=situation.pins.obey("resampling", decide_resampling(spacing_mm=grid.spacing_mm.value)),
        batch_dice=situation.pins.obey("batch_dice", batch_dice),
        **network,
        **training,
        **forecast(work, images, situation.budget, n_folds=n_folds),
    )


def _choose_network(situation: Situation, fit: Fit) -> tuple[dict[str, Decision[Any]], NetworkSketch]:
    """What the network is and what it sees at a time, by field; and the network for forecasts."""
    pins = situation.pins
    patch, topology = _choose_shape(situation, fit)
    n_stages = topology.value.n_stages
    features = pins.obey("features", _choose_features(situation, fit, patch.value, topology.value))
    blocks = pins.obey("blocks", decide_blocks(network=situation.network.value, n_stages=n_stages))
    _require_stages({"features": features.value, "blocks.encoder": blocks.value.encoder}, n_stages)
    _require_stages({"blocks.decoder": blocks.value.decoder}, n_stages - 1)
    loss = pins.obey("loss", blueprint.fix_loss())
    dropout = pins.obey("dropout", blueprint.fix_dropout())
    sketch = replace(
        situation.sketch(topology.value, features.value),
        deep_supervision=loss.value.deep_supervision,
        dropout=dropout.value,
    )
    chosen: dict[str, Decision[Any]] = {
        "network": situation.network,
        "patch_size": patch,
        "topology": topology,
        "features": features,
        "blocks": blocks,
        "loss": loss,
        "dropout": dropout,
        "batch_size": pins.obey("batch_size", _choose_batch(situation, fit, sketch, patch.value)),
    }
    return chosen, sketch


def _choose_training(
    situation: Situation,
    sketch: NetworkSketch,
    patch_size: Patch,
    batch_size: int,
    axis_order: Sequence[int],
    side_pairs: Sequence[SidePair],
) -> dict[str, Decision[Any]]:
    """How the network learns, by field: what follows from the number of iterations that the length holds."""
    pins, as_published = situation.pins, situation.as_published
    iteration = predict_iteration(sketch, patch_size, batch_size, situation.budget)
    n_iterations = count_iterations(situation.length.value, iteration.value)
    mirroring = decide_mirroring_axes(
        n_dimensions=situation.n_dimensions,
        n_iterations=n_iterations,
        as_published=as_published,
        axis_order=axis_order,
        side_pairs=side_pairs,
    )
    optimizer = decide_optimizer(n_iterations=n_iterations, as_published=as_published)
    return {
        "optimizer": pins.obey("optimizer", optimizer),
        "length": situation.length,
        "early_stopping": pins.obey("early_stopping", blueprint.fix_early_stopping()),
        "mirroring_axes": pins.obey("mirroring_axes", mirroring),
    }


def _choose_sampling(situation: Situation, patch_size: Patch) -> dict[str, Decision[Any]]:
    """Which patches the network sees, and how they are changed before, by field."""
    pins = situation.pins
    augmentation = decide_augmentation(patch_size=patch_size, preset=situation.augmentation)
    return {
        "augmentation": pins.obey("augmentation", augmentation),
        "foreground_share": pins.obey("foreground_share", blueprint.fix_foreground_share()),
        "case_sampling": pins.obey("case_sampling", blueprint.fix_case_sampling()),
        "patch_schedule": pins.obey("patch_schedule", blueprint.fix_patch_schedule()),
    }


def _choose_computing(situation: Situation) -> dict[str, Decision[Any]]:
    """How the device computes, by field."""
    pins, device = situation.pins, situation.budget.device.value
    layout = decide_memory_layout(device=device, n_dimensions=situation.n_dimensions)
    return {
        "precision": situation.precision,
        "memory_layout": pins.obey("memory_layout", layout),
        "compile": pins.obey("compile", blueprint.fix_compile()),
        "augmentation_engine": pins.obey("augmentation_engine", blueprint.fix_engine()),
    }


def _choose_shape(situation: Situation, fit: Fit) -> tuple[Decision[Patch], Decision[Topology]]:
    """Patch and topology, either of which a person may have pinned."""
    pins, grid = situation.pins, situation.grid
    found = fit.search.topology
    size, _ = fit_topology(situation, fit.search.patch_size, found)
    rule = decide_patch_size(fit.ruled or fit.search, median_shape=grid.median_shape)
    if size != rule.value and fit.ruled is None:
        rule = ruled(size, f"{list(rule.value)}, padded to what the topology that was set by hand divides")
    patch = pins.obey("patch_size", rule)
    return patch, pins.obey("topology", decide_topology(found, patch_size=patch.value))


def _require_stages(per_stage: dict[str, tuple[int, ...]], n_wanted: int) -> None:
    """Refuse values that a person pinned for another number of stages than the rest comes to."""
    for name, values in per_stage.items():
        if len(values) != n_wanted:
            raise PlanError(
                f"{name}: {list(values)} was set by hand for {len(values)} stages, but the patch that fits with it has "
                f"{n_wanted}. Give {n_wanted} values, or set another patch_size by hand."
            )


def _choose_features(
    situation: Situation, fit: Fit, patch_size: Patch, topology: Topology
) -> Decision[tuple[int, ...]]:
    n_stages, n_dimensions = topology.n_stages, situation.n_dimensions
    if not situation.is_short_of_time:
        return decide_features(width=fit.width, n_stages=n_stages, n_dimensions=n_dimensions)
    wanted, _ = fit.count_wanted(situation)

    def count(features: tuple[int, ...]) -> int:
        return count_training_iterations(situation, situation.sketch(topology, features), patch_size)

    def fits(features: tuple[int, ...]) -> bool:
        return is_holdable(situation, situation.sketch(topology, features), patch_size, wanted)

    return decide_features_in_time(
        widest=FULL_WIDTH if situation.is_on_cpu else fit.width,
        n_stages=n_stages,
        n_dimensions=n_dimensions,
        n_needed=count_needed(situation),
        count_iterations=count,
        fits=fits,
        time=situation.time,
    )


def _choose_batch(situation: Situation, fit: Fit, sketch: NetworkSketch, patch_size: Patch) -> Decision[int]:
    allowed = count_allowed_batch(situation, sketch, patch_size)
    share = situation.share_of_dataset
    patch_voxels = math.prod(patch_size)
    bearable = count_bearable(share=share, dataset_voxels=situation.grid.dataset_voxels, patch_voxels=patch_voxels)
    if situation.as_published:
        return decide_published_batch_size(allowed=allowed, bearable=bearable, share=share)
    holdable = count_holdable(situation, sketch, patch_size)
    wanted, ceiling = fit.count_wanted(situation)
    if fit.width < FULL_WIDTH and not situation.is_on_cpu:
        ceiling = wanted  # a narrower network is a makeshift: the memory it leaves is not spent on a larger batch
    if situation.is_on_cpu:
        return decide_cpu_batch_size(n_dimensions=situation.n_dimensions, holdable=holdable, ceiling=ceiling)
    return decide_batch_size(allowed=allowed, bearable=bearable, share=share, holdable=holdable, ceiling=ceiling)


def _state_median_shape(shape: Sequence[float]) -> Decision[tuple[int | float, ...]]:
    whole = tuple(int(size) if float(size).is_integer() else size for size in shape)
    return ruled(whole, "median over cases, cropped and resampled to this spacing")
