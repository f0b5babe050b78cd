"""From a fingerprint and a budget to a plan.

The three kinds of parameters: fixed ones come from `blueprint`, rule-based ones from `rules`, empirical ones are left
to cross-validation. Source: Isensee et al., Nature Methods 2021, and nnU-Net Revisited, arXiv 2404.09556.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autoseg.decision import Decision, ruled
from autoseg.errors import UsageError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning import blueprint
from autoseg.planning.configuring import plan_configuration
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.fitting import Fit, Grid, Situation, fit_patch, fit_patch_on
from autoseg.planning.plan import FORECASTS, Budget, ChannelPlan, Configuration, Plan
from autoseg.planning.plan import Wishes as Wishes
from autoseg.planning.rules.axis_order import decide_axis_order
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.budget import decide_device, decide_gflops, decide_memory
from autoseg.planning.rules.low_resolution import decide_low_resolution
from autoseg.planning.rules.network import decide_network
from autoseg.planning.rules.normalization import decide_inside_mask, decide_intensities, decide_scheme
from autoseg.planning.rules.target_spacing import compute_median_shape, decide_target_spacing
from autoseg.planning.rules.training_length import decide_length, decide_train_time

NO_WISHES = Wishes()


def make_plan(fingerprint: Fingerprint, device: DeviceFacts, wishes: Wishes = NO_WISHES) -> Plan:
    """Decide everything that training and prediction need to know.

    Raises:
        UsageError: a wish is out of its range, or two wishes contradict each other.
    """
    check_wishes(wishes)
    budget = decide_budget(device, wishes)
    axis_order, grid = _lay_grid(fingerprint, wishes)
    flat = _leave_first_axis(grid)
    situation = _describe_situation(fingerprint, grid, budget, wishes)
    configurations = {"2d": _plan_2d(replace(situation, grid=flat))}
    left_out = _leave_out_volumes()
    if grid.median_shape[0] != 1:
        configurations["3d_fullres"], left_out = _plan_3d(situation)
    return Plan(
        dataset=fingerprint.dataset,
        fingerprint_digest=fingerprint.digest,
        channels=fingerprint.channels,
        labels=fingerprint.labels,
        wishes=wishes,
        budget=budget,
        axis_order=axis_order,
        normalization=_plan_channels(fingerprint, wishes),
        n_folds=blueprint.fix_n_folds(fingerprint.n_cases),
        left_out=left_out,
        configurations=configurations,
    )


def replace_network(configuration: Configuration, network: str) -> Configuration:
    """The same configuration for another network: same grid, patch, batch, topology, width and training.

    Raises:
        UsageError: the network is not known.
    """
    blocks = decide_blocks(network=network, n_stages=configuration.topology.value.n_stages)
    before = f"predicted for {configuration.network.value}, before the network was replaced"
    changes = {
        "network": decide_network(device="", wish=network),
        "blocks": blocks,
        **{name: getattr(configuration, name).model_copy(update={"reason": before}) for name in FORECASTS},
    }
    return configuration.model_copy(update=changes)


def check_wishes(wishes: Wishes) -> None:
    """Raise UsageError for the first wish that nobody can fulfil."""
    for name, unit in (("gpu_memory_gb", "GB"), ("train_time_s", "seconds"), ("n_epochs", "epochs")):
        value = getattr(wishes, name)
        if value is not None and value <= 0:
            raise UsageError(f"{name} is {value:g}, but must be more than 0 {unit}.")
    if wishes.train_time_s is not None and wishes.n_epochs is not None:
        raise UsageError("A training time and a number of epochs were asked for; the length is one of them.")


def decide_budget(device: DeviceFacts, wishes: Wishes) -> Budget:
    """What the plan may spend."""
    kind = "cuda" if wishes.as_published else device.device
    return Budget(
        device=decide_device(device),
        memory_gb=decide_memory(device, wish_gb=wishes.gpu_memory_gb, as_published=wishes.as_published),
        train_time_s=decide_train_time(device=kind, wish_s=wishes.train_time_s, n_epochs=wishes.n_epochs),
        gflops=decide_gflops(device),
    )


def _lay_grid(fingerprint: Fingerprint, wishes: Wishes) -> tuple[Decision[tuple[int, int, int]], Grid]:
    """Axis order and the full-resolution grid in it."""
    spacings, shapes = fingerprint.spacings_mm, fingerprint.shapes_after_cropping
    target = decide_target_spacing(spacings_mm=spacings, shapes=shapes)
    median_shape = compute_median_shape(spacings_mm=spacings, shapes=shapes, target_mm=target.value)
    order = decide_axis_order(spacing_mm=target.value, median_shape=median_shape, by_spacing_alone=wishes.as_published)
    grid = Grid(
        spacing_mm=_rearrange(target, order.value),
        median_shape=_permute(median_shape, order.value),
        median_case_mm=_permute(tuple(float(value) for value in np.median(spacings, axis=0)), order.value),
    )
    return order, grid


def _permute(values: tuple[float, ...], order: tuple[int, int, int]) -> tuple[float, ...]:
    return tuple(values[axis] for axis in order)


def _rearrange(decision: Decision[tuple[float, ...]], order: Sequence[int]) -> Decision[tuple[float, ...]]:
    """The same decision for these axes; its inputs, too, have a number per axis."""
    inputs = {name: [values[axis] for axis in order] for name, values in decision.inputs.items()}
    return Decision(value=tuple(decision.value[axis] for axis in order), reason=decision.reason, inputs=inputs)


def _leave_first_axis(grid: Grid) -> Grid:
    """The grid of slices, whose spacing is the median unless a coarse axis lies within them."""
    spacing, median = grid.spacing_mm, grid.median_case_mm
    reason = f"in-plane: {spacing.reason}"
    if np.allclose(spacing.value[1:], median[1:]):
        reason = "the median spacing within slices"
    in_plane = _rearrange(spacing, (1, 2)).model_copy(update={"reason": reason})
    return Grid(in_plane, grid.median_shape[1:], median[1:])


def _describe_situation(fingerprint: Fingerprint, grid: Grid, budget: Budget, wishes: Wishes) -> Situation:
    kind = "cuda" if wishes.as_published else budget.device.value
    return Situation(
        grid=grid,
        dataset_voxels=math.prod(grid.median_shape) * fingerprint.n_cases,
        n_channels=len(fingerprint.channels),
        n_labels=fingerprint.labels.n_labels,
        network=decide_network(device=kind, wish=wishes.network, as_published=wishes.as_published),
        length=decide_length(train_time_s=budget.train_time_s.value, n_epochs=wishes.n_epochs),
        budget=budget,
        as_published=wishes.as_published,
    )


def _plan_2d(situation: Situation) -> Configuration:
    return plan_configuration(situation, fit_patch(situation), is_low_resolution_due=False)


def _plan_3d(situation: Situation) -> tuple[Configuration, dict[str, Decision[bool]]]:
    """The full-resolution configuration, and why the ones around it are left out."""
    fit = fit_patch(situation)
    low = _look_for_low_resolution(situation, fit)
    is_due = low.value is not None
    configuration = plan_configuration(situation, fit, is_low_resolution_due=is_due)
    reason = f"{low.reason}, but this version plans 2d and 3d_fullres" if is_due else low.reason
    left_out = {
        "3d_lowres": ruled(False, reason, **low.inputs),
        "3d_cascade": ruled(False, "there is no low-resolution pass to build on"),
    }
    return configuration, left_out


def _look_for_low_resolution(situation: Situation, fit: Fit) -> Decision[tuple[float, ...] | None]:
    return decide_low_resolution(
        spacing_mm=situation.grid.spacing_mm.value,
        median_shape=situation.grid.median_shape,
        patch_size=fit.search.patch_size,
        plan_patch=lambda spacing_mm, shape: fit_patch_on(situation, fit.width, spacing_mm, shape),
    )


def _leave_out_volumes() -> dict[str, Decision[bool]]:
    reason = "images are pictures: the first axis has one voxel"
    return {name: ruled(False, reason) for name in ("3d_fullres", "3d_lowres", "3d_cascade")}


def _plan_channels(fingerprint: Fingerprint, wishes: Wishes) -> tuple[ChannelPlan, ...]:
    return tuple(_plan_channel(fingerprint, index, wishes) for index in range(len(fingerprint.channels)))


def _plan_channel(fingerprint: Fingerprint, index: int, wishes: Wishes) -> ChannelPlan:
    channel = fingerprint.channels[index]
    intensities = fingerprint.intensities[index] if index < len(fingerprint.intensities) else None
    typical_range = _find_typical_range(fingerprint, index)
    scheme = decide_scheme(
        channel=channel,
        intensities=intensities,
        typical_range=typical_range,
        published_names_only=wishes.as_published,
    )
    share = fingerprint.median_share_after_cropping
    return ChannelPlan(
        channel=channel,
        scheme=scheme,
        inside_mask=decide_inside_mask(scheme=scheme.value, median_share_after_cropping=share),
        intensities=decide_intensities(scheme=scheme.value, intensities=intensities, typical_range=typical_range),
    )


def _find_typical_range(fingerprint: Fingerprint, index: int) -> tuple[float, float] | None:
    """Median over cases of a channel's (min, max), None where it was not measured."""
    ranges = [case.channel_ranges[index] for case in fingerprint.cases if index < len(case.channel_ranges)]
    if not ranges:
        return None
    low, high = np.median(np.array(ranges), axis=0)
    return float(low), float(high)
