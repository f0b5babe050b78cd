"""How do the plans of nnU-Net's trained configurations become one plan of autoseg's?

What plans.json and the checkpoints say is taken over as it is and counts as set by hand: it is what the weights obey,
and no rule may derive it anew. What nnU-Net keeps in the code of its trainer (loss, optimiser, length, augmentation)
matters to no prediction and is written down as its default trainer has it. Forecasts are autoseg's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from autoseg.decision import SET_BY_HAND, Decision, fixed, ruled
from autoseg.errors import PlanError
from autoseg.importing.nnunet_plans import NnunetConfiguration, NnunetDataset
from autoseg.planning import blueprint
from autoseg.planning.choices import Blocks, Length, Loss, Optimizer
from autoseg.planning.forecasting import forecast_again
from autoseg.planning.plan import Budget, Cascade, ChannelPlan, Configuration, Cost, Plan
from autoseg.planning.rules.augmentation import decide_augmentation
from autoseg.planning.rules.cascade import fix_corruption
from autoseg.planning.rules.optimizer import PUBLISHED
from autoseg.planning.rules.training_length import N_EPOCHS
from autoseg.planning.validation import check_plan

TAKEN = f"{SET_BY_HAND}; taken over from nnU-Net's plans.json, which the imported weights obey"
FROM_WEIGHTS = f"{SET_BY_HAND}; taken over from nnU-Net's checkpoint"
BY_TRAINER = "as nnU-Net's default trainer has it: plans.json does not tell, and no prediction depends on it"
PREVIOUS = "3d_lowres"  # what a cascade builds on is called here
MEMORY_GB = {"nnUNetPlannerResEncL": 24.0, "nnUNetPlannerResEncXL": 40.0}  # that nnU-Net's planners plan for
DEFAULT_MEMORY_GB = 8.0

T = TypeVar("T")


@dataclass(frozen=True)
class TrainedConfiguration:
    """A trained configuration, before it becomes part of a plan.

    Attributes:
        configuration: what plans.json says of it.
        mirroring_axes: what its checkpoint allows in prediction.
        deep_supervision: whether its weights have heads at coarser decoder stages.
    """

    configuration: NnunetConfiguration
    mirroring_axes: tuple[int, ...]
    deep_supervision: bool


def name_configuration(configuration: NnunetConfiguration) -> str:
    """autoseg's name: by the number of axes and whether it builds on another one, for people name theirs freely."""
    if configuration.n_dimensions == 2:
        return "2d"
    if configuration.previous is not None:
        return "3d_cascade"
    return configuration.name if configuration.name in blueprint.CONFIGURATIONS else "3d_fullres"


def translate_plan(
    trained: Mapping[str, TrainedConfiguration], dataset: NnunetDataset, *, fingerprint_digest: str, where: str
) -> Plan:
    """One plan of all configurations that are imported together.

    Args:
        trained: by autoseg's name.
        dataset: their common dataset.
        fingerprint_digest: of the fingerprint, or of what stands for it.
        where: the folder, for errors.

    Raises:
        PlanError: they were not preprocessed alike, or a value contradicts the others.
    """
    _require_alike(trained, where)
    first = next(iter(trained.values())).configuration
    plan = Plan(
        dataset=first.dataset,
        fingerprint_digest=fingerprint_digest,
        channels=dataset.channels,
        labels=dataset.labels,
        budget=_state_budget(first),
        axis_order=_take(first.axis_order),
        normalization=_translate_normalization(first, dataset),
        n_folds=fixed(5, "nnU-Net splits into 5 folds; those that were trained are imported"),
        left_out=_leave_out(trained),
        cost=Cost(hours=ruled(None, "not summed yet"), disk_gb=ruled(0.0, "not summed yet")),
        configurations={
            name: _translate(trained[name], dataset) for name in blueprint.CONFIGURATIONS if name in trained
        },
    )
    plan = forecast_again(plan)
    check_plan(plan, where=where)
    return plan


def _take(value: T, reason: str = TAKEN) -> Decision[T]:
    return Decision(value=value, reason=reason, source="user")


def _require_alike(trained: Mapping[str, TrainedConfiguration], where: str) -> None:
    """A plan has one axis order and one normalisation for all its configurations."""
    found = {name: one.configuration for name, one in trained.items()}
    facts = {name: (one.axis_order, one.schemes, one.inside_mask, one.intensities) for name, one in found.items()}
    first = next(iter(facts))
    for name, fact in facts.items():
        if fact != facts[first]:
            raise PlanError(
                f"{where}: {first} and {name} order axes or normalise channels differently, but configurations of one "
                "plan do it alike. Import them one by one, from their own folders."
            )


def _state_budget(configuration: NnunetConfiguration) -> Budget:
    memory_gb = MEMORY_GB.get(configuration.planner, DEFAULT_MEMORY_GB)
    planner = configuration.planner or "nnU-Net's planner"
    return Budget(
        device=fixed("cuda", "nnU-Net plans for a GPU; imported models predict on any device"),
        memory_gb=fixed(memory_gb, f"what {planner} plans for by default; plans.json does not tell"),
        train_time_s=fixed(None, f"nnU-Net trains for epochs, by default {N_EPOCHS:,}"),
        speeds=fixed({}, "nobody measured where it was trained"),
    )


def _translate_normalization(configuration: NnunetConfiguration, dataset: NnunetDataset) -> tuple[ChannelPlan, ...]:
    return tuple(
        ChannelPlan(
            channel=channel,
            scheme=_take(scheme),
            inside_mask=_take(mask),
            intensities=_take(intensities),
        )
        for channel, scheme, mask, intensities in zip(
            dataset.channels,
            configuration.schemes,
            configuration.inside_mask,
            configuration.intensities,
            strict=True,
        )
    )


def _leave_out(trained: Mapping[str, TrainedConfiguration]) -> dict[str, Decision[bool]]:
    reason = "no trained model of it was imported"
    return {name: ruled(False, reason) for name in blueprint.CONFIGURATIONS if name not in trained}


def _translate(trained: TrainedConfiguration, dataset: NnunetDataset) -> Configuration:
    found = trained.configuration
    architecture, whole = found.architecture, tuple(map(_to_whole, found.median_shape))
    blocks: Blocks = architecture.blocks
    return Configuration(
        n_dimensions=found.n_dimensions,
        cascade=None if found.previous is None else _translate_cascade(),
        spacing_mm=_take(found.spacing_mm),
        median_shape=ruled(whole, "median over nnU-Net's training cases, as its plans.json says"),
        resampling=_take(found.resampling),
        patch_size=_take(found.patch_size),
        batch_size=_take(found.batch_size),
        network=_take(architecture.network),
        topology=_take(architecture.topology),
        features=_take(architecture.features),
        blocks=_take(blocks),
        batch_dice=_take(found.batch_dice),
        dropout=_take(architecture.dropout),
        mirroring_axes=_take(trained.mirroring_axes, FROM_WEIGHTS),
        **_state_training(trained),
        **_prepare_forecasts(found, dataset),
    )


def _translate_cascade() -> Cascade:
    reason = (
        "nnU-Net's cascade reads the low-resolution segmentation as a file on the original grid, and resamples it "
        "label by label to its own"
    )
    return Cascade(
        previous=_take(PREVIOUS),
        corruption=fix_corruption(),
        through=_take("original_grid", f"{SET_BY_HAND}; {reason}"),
    )


def _state_training(trained: TrainedConfiguration) -> dict[str, Decision]:  # type: ignore[type-arg]
    """What nnU-Net's default trainer does, whoever trained this."""
    n_iterations = N_EPOCHS * blueprint.ITERATIONS_PER_EPOCH
    length = Length(n_iterations=n_iterations, iterations_per_epoch=blueprint.ITERATIONS_PER_EPOCH)
    loss = Loss(terms={"cross_entropy": 1.0, "soft_dice": 1.0}, deep_supervision=trained.deep_supervision)
    augmentation = decide_augmentation(patch_size=trained.configuration.patch_size).value
    optimizer: Optimizer = PUBLISHED
    return {
        "loss": _take(loss, f"{FROM_WEIGHTS}: which stages have heads; the terms are {BY_TRAINER}"),
        "optimizer": fixed(optimizer, BY_TRAINER),
        "length": fixed(length, BY_TRAINER),
        "augmentation": fixed(augmentation, BY_TRAINER),
        "foreground_share": fixed(blueprint.FOREGROUND_SHARE, BY_TRAINER),
        "precision": fixed("float16", f"mixed with float32 on a GPU; {BY_TRAINER}"),
    }


def _prepare_forecasts(found: NnunetConfiguration, dataset: NnunetDataset) -> dict[str, Decision]:  # type: ignore[type-arg]
    """What forecasts are reckoned from; the number of stored voxels is that of the median case, times the cases."""
    shape = [max(1, round(size)) for size in found.median_shape]
    case = [*found.median_volume[: 3 - len(shape)], *shape]
    later = "reckoned when the plan is whole"
    voxels = max(1, dataset.n_cases) * math.prod(case)
    return {
        "memory_gb": ruled(0.0, later),
        "prediction_memory_gb": ruled(0.0, later, median_case=case),
        "iteration_s": ruled(None, later),
        "fold_hours": ruled(None, later),
        "disk_gb": ruled(0.0, later, voxels=voxels, spacing_mm=list(found.spacing_mm)),
    }


def _to_whole(size: float) -> int | float:
    return int(size) if float(size).is_integer() else float(size)
