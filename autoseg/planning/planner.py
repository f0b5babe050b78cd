"""From a fingerprint and a budget to a plan.

The three kinds of parameters: fixed ones come from `blueprint`, rule-based ones from `rules`, empirical ones are left
to cross-validation. Source: Isensee et al., Nature Methods 2021, and nnU-Net Revisited, arXiv 2404.09556.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoseg.decision import Decision, ruled
from autoseg.errors import PlanError, UsageError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning import blueprint
from autoseg.planning.configuring import plan_configuration
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.fitting import Fit, fit_patch, fit_patch_at
from autoseg.planning.forecasting import forecast_again, sum_costs
from autoseg.planning.grids import (
    AxisOrder,
    Grid,
    Values,
    coarsen,
    lay_grid,
    leave_first_axis,
    replace_value,
    round_shape,
)
from autoseg.planning.normalizing import plan_channels
from autoseg.planning.pinning import NO_PINS, Pins
from autoseg.planning.plan import Budget, Cascade, Configuration, Cost, Plan
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.budget import decide_device, decide_memory, decide_speeds
from autoseg.planning.rules.cascade import decide_previous, fix_corruption
from autoseg.planning.rules.low_resolution import decide_low_resolution
from autoseg.planning.rules.network import decide_network
from autoseg.planning.rules.precision import decide_precision
from autoseg.planning.rules.training_length import decide_length, decide_train_time
from autoseg.planning.situation import Situation
from autoseg.planning.wishes import Wishes

NO_WISHES = Wishes()


@dataclass(frozen=True)
class Basis:
    """What all configurations of a plan are made from."""

    fingerprint: Fingerprint
    budget: Budget
    wishes: Wishes
    pins: Pins
    axis_order: Decision[AxisOrder]
    full: Grid
    n_folds: Decision[int]


def make_plan(fingerprint: Fingerprint, device: DeviceFacts, wishes: Wishes = NO_WISHES, pins: Pins = NO_PINS) -> Plan:
    """Decide everything that training and prediction need to know.

    Args:
        fingerprint: of the dataset.
        device: what the machine can do.
        wishes: what a person asked for.
        pins: what a person set by hand; everything else is derived from it.

    Raises:
        UsageError: a wish is out of its range, or two wishes contradict each other.
        PlanError: pinned values contradict what follows from the others.
    """
    check_wishes(wishes)
    axis_order, full = lay_grid(fingerprint, pins, as_published=wishes.as_published)
    n_folds = pins.obey("n_folds", blueprint.fix_n_folds(fingerprint.n_cases))
    if n_folds.value > max(fingerprint.n_cases, 2):
        n_cases = fingerprint.n_cases
        raise PlanError(
            f"n_folds: {n_folds.value} was set by hand, but there are {n_cases} cases. Use at most {n_cases}."
        )
    budget = decide_budget(device, wishes, pins)
    basis = Basis(fingerprint, budget, wishes, pins, axis_order, full, n_folds)
    configurations, left_out = _plan_configurations(basis)
    plan = Plan(
        dataset=fingerprint.dataset,
        fingerprint_digest=fingerprint.digest,
        channels=fingerprint.channels,
        labels=fingerprint.labels,
        wishes=wishes,
        budget=budget,
        axis_order=axis_order,
        normalization=plan_channels(fingerprint, pins, as_published=wishes.as_published),
        n_folds=n_folds,
        left_out=left_out,
        cost=Cost(hours=ruled(None, "not summed yet"), disk_gb=ruled(0.0, "not summed yet")),
        configurations=configurations,
    )
    return plan.model_copy(update={"cost": sum_costs(plan)})


def replace_network(plan: Plan, configuration: str, network: str) -> Plan:
    """The same plan with another network in a configuration: same grid, patch, batch, topology, width and training.

    With the network that it has already the plan is as it was. Blocks belong to a network: those that a person set
    hold for the plan's own, and another one gets those of its rule.

    Raises:
        UsageError: the network or the configuration is not known.
    """
    settings = plan.find_configuration(configuration)
    decided = decide_network(device="", wish=network)
    if decided.value == settings.network.value:
        return plan
    blocks = decide_blocks(network=decided.value, n_stages=settings.topology.value.n_stages)
    changes = {"network": decided, "blocks": blocks}
    changed = {**plan.configurations, configuration: settings.model_copy(update=changes)}
    return forecast_again(plan.model_copy(update={"configurations": changed}))


def check_wishes(wishes: Wishes) -> None:
    """Raise UsageError for the first wish that nobody can fulfil."""
    for name, unit in (("gpu_memory_gb", "GB"), ("train_time_s", "seconds"), ("n_epochs", "epochs")):
        value = getattr(wishes, name)
        if value is not None and value <= 0:
            raise UsageError(f"{name} is {value:g}, but must be more than 0 {unit}.")
    if wishes.train_time_s is not None and wishes.n_epochs is not None:
        raise UsageError("A training time and a number of epochs were asked for; the length is one of them.")
    if wishes.size is not None and wishes.network in ("plain", "unet"):
        raise UsageError(
            f"size {wishes.size} is a preset of the residual network, but the network asked for is {wishes.network}. "
            "Leave one of them out."
        )


def decide_budget(device: DeviceFacts, wishes: Wishes, pins: Pins = NO_PINS) -> Budget:
    """What the plan may spend."""
    pins = pins.below("budget")
    where = pins.obey("device", decide_device(device))
    if where.value != device.device:  # another one than was measured: nothing but its kind is known
        unknown: dict[str, object] = {"speeds": {}, "gflops": None, "total_memory_gb": None, "name": "", "index": 0}
        device = device.model_copy(update={"device": where.value, "is_assumed": True, **unknown})
    kind = "cuda" if wishes.as_published else where.value
    memory = decide_memory(device, wish_gb=wishes.gpu_memory_gb, size=wishes.size, as_published=wishes.as_published)
    train_time = decide_train_time(device=kind, wish_s=wishes.train_time_s, n_epochs=wishes.n_epochs)
    return Budget(
        device=where,
        memory_gb=pins.obey("memory_gb", memory),
        train_time_s=pins.obey("train_time_s", train_time),
        speeds=pins.obey("speeds", decide_speeds(device)),
    )


def _plan_configurations(basis: Basis) -> tuple[dict[str, Configuration], dict[str, Decision[bool]]]:
    """The configurations, and why others are left out."""
    slices = leave_first_axis(basis.fingerprint, basis.axis_order.value, basis.full, basis.pins.below("2d"))
    planned = {"2d": _configure(basis, "2d", slices)}
    if basis.full.median_shape[0] == 1:
        reason = "images are pictures: the first axis has one voxel"
        return planned, {name: ruled(False, reason) for name in ("3d_fullres", "3d_lowres", "3d_cascade")}
    situation = _describe_situation(basis, "3d_fullres", basis.full)
    fit = fit_patch(situation)
    low = basis.pins.below("3d_lowres").obey("spacing_mm", _look_for_low_resolution(situation, fit))
    is_due = low.value is not None
    planned["3d_fullres"] = _configure(basis, "3d_fullres", basis.full, is_low_resolution_due=is_due, fit=fit)
    if low.value is None:
        no_cascade = ruled(False, "there is no low-resolution pass to build on")
        return planned, {"3d_lowres": replace_with_no(low), "3d_cascade": no_cascade}
    spacing = Decision[Values](**{**dict(low), "value": low.value})
    grid = coarsen(basis.fingerprint, basis.axis_order.value, basis.full, spacing)
    planned["3d_lowres"] = _configure(basis, "3d_lowres", grid)
    pins = basis.pins.below("3d_cascade")
    cascade = Cascade(
        previous=decide_previous(configuration="3d_lowres"),
        corruption=pins.obey("cascade.corruption", fix_corruption()),
    )
    shared = ruled(basis.full.spacing_mm.value, "that of 3d_fullres, whose preprocessed cases the cascade shares")
    grid = replace(basis.full, spacing_mm=shared)
    planned["3d_cascade"] = _configure(basis, "3d_cascade", grid, is_low_resolution_due=True, cascade=cascade)
    return planned, {}


def replace_with_no(decision: Decision[Values | None]) -> Decision[bool]:
    """A decision against something, with the same reason."""
    return Decision(value=False, reason=decision.reason, inputs=decision.inputs, source=decision.source)


def _configure(
    basis: Basis,
    name: str,
    grid: Grid,
    *,
    is_low_resolution_due: bool = False,
    cascade: Cascade | None = None,
    fit: Fit | None = None,
) -> Configuration:
    try:
        return plan_configuration(
            _describe_situation(basis, name, grid, sees_previous=cascade is not None),
            basis.fingerprint,
            axis_order=basis.axis_order.value,
            is_low_resolution_due=is_low_resolution_due,
            n_folds=basis.n_folds.value,
            cascade=cascade,
            fit=fit,
        )
    except PlanError as problem:
        raise PlanError(f"{name}.{problem}") from None


def _describe_situation(basis: Basis, name: str, grid: Grid, *, sees_previous: bool = False) -> Situation:
    wishes, budget, labels = basis.wishes, basis.budget, basis.fingerprint.labels
    kind = "cuda" if wishes.as_published else budget.device.value
    wish = "residual" if wishes.size is not None else wishes.network
    network = decide_network(device=kind, wish=wish, as_published=wishes.as_published)
    length = decide_length(train_time_s=budget.train_time_s.value, n_epochs=wishes.n_epochs)
    pins = basis.pins.below(name)
    n_channels = len(basis.fingerprint.channels)
    return Situation(
        grid=grid,
        n_channels=n_channels + (labels.n_labels - 1 if sees_previous else 0),
        n_outputs=labels.n_outputs,
        n_names=1 + len(labels.targets) + (labels.ignore_value is not None),
        network=pins.obey("network", network),
        length=pins.obey("length", length),
        precision=pins.obey("precision", decide_precision(device=budget.device.value)),
        budget=budget,
        size=wishes.size,
        as_published=wishes.as_published,
        pins=pins,
        augmentation=wishes.augmentation,
    )


def _look_for_low_resolution(situation: Situation, fit: Fit) -> Decision[Values | None]:
    """The spacing of a low-resolution pass, tried with the patches that the same budget holds on coarser grids."""
    free = replace(situation, pins=NO_PINS)

    def plan_patch(spacing_mm: Values, shape: Values) -> tuple[int, ...]:
        spacing = replace_value(situation.grid.spacing_mm, spacing_mm)
        grid = replace(situation.grid, spacing_mm=spacing, median_shape=round_shape(shape))
        return fit_patch_at(free.on(grid), fit.width).search.patch_size

    return decide_low_resolution(
        spacing_mm=situation.grid.spacing_mm.value,
        median_shape=situation.grid.median_shape,
        patch_size=fit.search.patch_size,
        plan_patch=plan_patch,
    )
