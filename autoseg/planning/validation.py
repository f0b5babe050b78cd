"""Does a plan hold together?

The schema checks each value alone; here stand the invariants of what the configurations share, and of how they build
on each other (`invariants` has those within one). Every problem is named at once, with its key and a remedy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from autoseg.data.labels import find_region_problems
from autoseg.errors import PlanError, UsageError
from autoseg.planning import blueprint
from autoseg.planning.devices import DEVICES
from autoseg.planning.invariants import AXES, check_configuration, check_values
from autoseg.planning.plan import Configuration, Plan
from autoseg.planning.planner import check_wishes
from autoseg.planning.problems import Problem, check_component, check_name, is_positive, show
from autoseg.planning.rules.network import decide_network
from autoseg.planning.rules.normalization import DATASET_SCHEMES
from autoseg.planning.walking import is_within, name_channels
from autoseg.serialization import did_you_mean

FULL, LOW = "3d_fullres", "3d_lowres"
TOLERANCE = 1e-6  # of a spacing, for it is the product of many roundings


def check_plan(plan: Plan, *, where: str) -> None:
    """Raise PlanError with every contradiction in a plan, one line each, behind the name of its file."""
    if problems := find_problems(plan):
        raise PlanError("\n".join(f"{where}: {problem}" for problem in problems))


def find_problems(plan: Plan) -> tuple[Problem, ...]:
    """Every contradiction in a plan, with its key; none if it holds together."""
    problems = [*_check_shared(plan), *_check_wishes(plan), *_check_budget(plan), *_check_normalization(plan)]
    axes = _name_axes(plan.axis_order.value)
    for name, configuration in plan.configurations.items():
        inside = (*check_configuration(configuration, axes), *_check_cascade(plan, name, configuration))
        problems += (Problem(f"{name}.{key}", sentence) for key, sentence in inside)
    return (*problems, *_check_resolutions(plan))


def find_pinned_problems(plan: Plan) -> tuple[Problem, ...]:
    """What is wrong with each value that a person set, by itself; whether it fits the others shows when they follow."""
    problems = [*_check_shared(plan), *_check_budget(plan)]
    for name, configuration in plan.configurations.items():
        problems += (Problem(f"{name}.{key}", sentence) for key, sentence in check_values(configuration))
    return tuple(problem for problem in problems if any(is_within(problem.key, key) for key in plan.pinned))


def _name_axes(axis_order: Sequence[int]) -> str:
    """The dataset's names of the axes in axis order; in the dataset's order where that is no order."""
    return "".join(AXES[axis] for axis in axis_order) if sorted(axis_order) == [0, 1, 2] else AXES


def _check_shared(plan: Plan) -> Iterator[Problem]:
    if sorted(plan.axis_order.value) != [0, 1, 2]:
        order = show(plan.axis_order.value)
        yield Problem("axis_order", f"is {order}, but must be 0, 1 and 2 in some order, e.g. [0, 1, 2].")
    if not plan.configurations:
        yield Problem("configurations", "is empty, so there is nothing to train. Plan again.")
    for name in plan.configurations:
        yield from check_name("configurations", name, blueprint.CONFIGURATIONS)
    if plan.n_folds.value < 2:
        yield Problem("n_folds", f"is {plan.n_folds.value}, but a cross-validation needs at least 2.")
    if len(plan.labels.names) != len(plan.labels.values):
        n_names, n_values = len(plan.labels.names), len(plan.labels.values)
        yield Problem("labels", f"has {n_names} names, but {n_values} values. Give every label both.")
    if plan.labels.n_labels < 2:
        yield Problem("labels", "has no label but the background, so that there is nothing to learn.")
    for sentence in find_region_problems(plan.labels):
        yield Problem("labels", sentence)
    for name in plan.left_out:
        if name in plan.configurations:
            yield Problem(f"left_out.{name}", "is planned all the same, under configurations. Keep one of the two.")


def _check_wishes(plan: Plan) -> Iterator[Problem]:
    """What was asked for can be asked for again: a plan is derived anew from it."""
    for name in ("gpu_memory_gb", "train_time_s"):
        value = getattr(plan.wishes, name)
        if value is not None and not is_positive(value):
            yield Problem(f"wishes.{name}", f"is {value:g}, but must be positive, or null where nobody asked.")
            return
    try:
        check_wishes(plan.wishes)
        decide_network(device=plan.budget.device.value, wish=plan.wishes.network)
    except UsageError as problem:
        yield Problem("wishes", f"cannot be fulfilled: {problem}")


def _check_budget(plan: Plan) -> Iterator[Problem]:
    device, memory_gb = plan.budget.device.value, plan.budget.memory_gb.value
    train_time_s = plan.budget.train_time_s.value
    known = [name for name in DEVICES if name != "auto"]
    yield from check_name("budget.device", device, known)
    if not is_positive(memory_gb):
        yield Problem("budget.memory_gb", f"is {memory_gb:g}, but must be positive.")
    if train_time_s is not None and not is_positive(train_time_s):
        yield Problem("budget.train_time_s", f"is {train_time_s:g}, but must be positive, or null for epochs.")
    for name, speed in plan.budget.speeds.value.items():
        yield from check_name("budget.speeds", name, ("2d", "3d"))
        if not all(math.isfinite(value) for _, value in speed if value is not None):
            yield Problem(f"budget.speeds.{name}", "must be finite. `autoseg probe` measures speeds.")
    for name, value in (("hours", plan.cost.hours.value), ("disk_gb", plan.cost.disk_gb.value)):
        if value is not None and not 0 <= value < math.inf:
            yield Problem(f"cost.{name}", f"is {value:g}, but a cost is not negative. It is a forecast: plan again.")


def _check_normalization(plan: Plan) -> Iterator[Problem]:
    named = tuple(channel.channel for channel in plan.normalization)
    if named != plan.channels:
        yield Problem(
            "normalization", f"is for channels {show(named)}, but the plan's channels are {show(plan.channels)}."
        )
    for key, channel in zip(name_channels(named), plan.normalization, strict=True):
        place, scheme = f"normalization.{key}", channel.scheme.value
        yield from check_component(f"{place}.scheme", scheme, blueprint.NORMALIZATION_SCHEMES)
        by_hand = channel.scheme.is_set_by_hand or channel.intensities.is_set_by_hand
        if scheme in DATASET_SCHEMES and channel.intensities.value is None and by_hand:
            yield Problem(
                f"{place}.intensities",
                f"is empty, but scheme {scheme} needs the dataset's statistics. Set the scheme to zscore, or copy the "
                "channel's intensities from fingerprint.json.",
            )


def _check_cascade(plan: Plan, name: str, configuration: Configuration) -> Iterator[Problem]:
    """What a configuration builds on is planned, is another one, and stands on its own."""
    if configuration.cascade is None:
        return
    previous = configuration.cascade.previous.value
    others = [other for other in plan.configurations if other != name]
    if previous not in others:
        near = did_you_mean(previous, others)
        yield Problem("cascade.previous", f"is {previous}, but must be another planned configuration.{near}")
        return
    before = plan.configurations[previous]
    if before.cascade is not None:
        yield Problem("cascade.previous", f"is {previous}, which is a cascade itself. Build on {LOW}.")
    if before.n_dimensions != configuration.n_dimensions:
        yield Problem(
            "cascade.previous",
            f"is {previous} with {before.n_dimensions} axes, but {name} has {configuration.n_dimensions}. "
            f"Build on {LOW}.",
        )


def _check_resolutions(plan: Plan) -> Iterator[Problem]:
    """The low-resolution pass sees a coarser grid than full resolution, and finer along no axis."""
    if FULL not in plan.configurations or LOW not in plan.configurations:
        return
    full, low = (plan.configurations[name].spacing_mm.value for name in (FULL, LOW))
    ratios = [coarse / fine for coarse, fine in zip(low, full, strict=False) if fine > 0]
    if ratios and (min(ratios) < 1 - TOLERANCE or max(ratios) < 1 + TOLERANCE):
        yield Problem(
            f"{LOW}.spacing_mm",
            f"is {show(low)}, but must be coarser than the {show(full)} of {FULL}, and finer along no axis. "
            f"Coarsen it, or delete {LOW} and 3d_cascade.",
        )
