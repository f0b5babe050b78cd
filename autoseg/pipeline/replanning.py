"""How is a plan made anew around what a person set by hand?

What was pinned, in the plan that stands or in an edited file, goes into the planner, and everything else is derived
from it. What was kept and what changed because of it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoseg.components import find_component
from autoseg.errors import AutosegError, PlanError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.pipeline.planning import ensure_device, ensure_fingerprint, merge_wishes, plan_fingerprint, renew_plan
from autoseg.pipeline.project import Project
from autoseg.pipeline.reporting import Reporter
from autoseg.planning.components_used import list_components
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.differing import compare_plans
from autoseg.planning.editing import Assignment, assign, check_pinned, list_pinned, parse_assignment
from autoseg.planning.explaining import format_value, is_forecast
from autoseg.planning.pinning import NO_PINS, Pins, pins_of
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import read_edited_plan
from autoseg.planning.planner import make_plan
from autoseg.planning.walking import is_within
from autoseg.planning.wishes import Wishes

# What a wish decides goes before what an earlier hand set of it: the wish's field, and the decisions' last words.
DECIDED_BY = {
    "gpu_memory_gb": ("budget.memory_gb",),
    "size": ("budget.memory_gb", "network"),
    "train_time_s": ("budget.train_time_s", "length"),
    "n_epochs": ("budget.train_time_s", "length"),
    "network": ("network",),
    "augmentation": ("augmentation",),
}


@dataclass(frozen=True)
class Edits:
    """What a person set by hand, and where.

    Attributes:
        start: an edited plan file to begin with; None for the plan that stands in the workspace, if there is one.
        assignments: `KEY=VALUE`, set on top of it.
        fresh: forget what the plan that stands was asked for, and what was set by hand in it.
    """

    start: Path | None = None
    assignments: tuple[str, ...] = ()
    fresh: bool = False


def replan(
    project: Project, wishes: Wishes, edits: Edits, *, device: str = "auto", facts: DeviceFacts | None = None
) -> Plan:
    """Make the workspace's plan anew: what was set by hand is kept, the rest follows from it.

    Args:
        wishes: what is asked for now. What the plan before was asked for still counts beside it.
        edits: what was set by hand.
        device, facts: as for `renew_plan`.

    Raises:
        UsageError: a key or a value of the edits is wrong.
        PlanError: the edited file is no plan, or what was set contradicts itself.
    """

    def draft(wishes: Wishes) -> Plan:
        return make_plan(ensure_fingerprint(project), facts or ensure_device(project, device), wishes)

    def make(wishes: Wishes, pins: Pins) -> Plan:
        return renew_plan(project, wishes, device=device, pins=pins, facts=facts)

    standing = None if edits.fresh else _read_standing(project)
    plan = _derive(wishes, edits, standing, draft=draft, make=make, reporter=project.reporter)
    warn_of_missing_components(plan, project.reporter)
    return plan


def warn_of_missing_components(plan: Plan, reporter: Reporter) -> None:
    """Say which of a person's own components cannot be found here; training may run where they can."""
    for name in plan.configurations:
        for key, path in list_components(plan, name).items():
            try:
                find_component(path, where=f"{name}.{key}")
            except PlanError as problem:
                reporter.warn(str(problem))


def replan_fingerprint(
    fingerprint: Fingerprint, wishes: Wishes, edits: Edits, *, device: str | None, reporter: Reporter
) -> Plan:
    """The same from a fingerprint alone; nothing is written."""

    def draft(wishes: Wishes) -> Plan:
        return plan_fingerprint(fingerprint, wishes, device=device)

    def make(wishes: Wishes, pins: Pins) -> Plan:
        return plan_fingerprint(fingerprint, wishes, device=device, pins=pins)

    return _derive(wishes, edits, None, draft=draft, make=make, reporter=reporter)


def _read_standing(project: Project) -> Plan | None:
    """The plan that stands in the workspace. Raises PlanError if it cannot be read: no edit is lost in silence."""
    path = project.workspace.plan
    if not path.is_file():
        return None
    try:
        return read_edited_plan(path)
    except AutosegError as problem:
        raise PlanError(f"{problem}\nMend it, or plan without it by --fresh, which keeps a copy.") from None


def _derive(
    wishes: Wishes,
    edits: Edits,
    standing: Plan | None,
    *,
    draft: Callable[[Wishes], Plan],
    make: Callable[[Wishes, Pins], Plan],
    reporter: Reporter,
) -> Plan:
    base = standing if edits.start is None else read_edited_plan(edits.start)
    wanted = wishes if base is None else merge_wishes(base.wishes, wishes)
    if base is None and edits.assignments:
        base = draft(wanted)
    if base is None:
        return make(wanted, NO_PINS)
    assignments = [parse_assignment(text) for text in edits.assignments]
    for assignment in assignments:
        base = assign(base, assignment)
    check_pinned(base)
    pins = choose_pins(base, wishes, assignments)
    plan = make(wanted, pins)
    for key in pins.values:
        if key not in plan.pinned:
            reporter.warn(f"{key} was set by hand, but this plan does not decide it by hand: that is not carried over.")
    tell_what_follows(base, plan, reporter)
    return plan


def choose_pins(base: Plan, wishes: Wishes, assignments: Sequence[Assignment] = ()) -> Pins:
    """What a person set in a plan, but for what a wish of now decides, `auto` included; `--set` goes before both."""
    decided = {name for wish in wishes.model_fields_set for name in DECIDED_BY.get(wish, ())}

    def is_kept(key: str) -> bool:
        is_assigned = any(is_within(assignment.key, key) for assignment in assignments)
        return not is_forecast(key) and (is_assigned or not _is_decided(key, decided))

    return Pins({key: value for key, value in pins_of(base).values.items() if is_kept(key)})


def _is_decided(key: str, names: set[str]) -> bool:
    return key in names or key.rpartition(".")[2] in names


def tell_what_follows(base: Plan, plan: Plan, reporter: Reporter) -> None:
    """Say what was kept by hand, and which decisions are others because of it."""
    kept = list_pinned(plan)
    if not kept:
        return
    reporter.say("Kept as set by hand:")
    for key, decision in kept:
        reporter.say(f"  {key} = {format_value(decision.value)} ({decision.reason})")
    pinned = {key for key, _ in kept}
    changed = [one for one in compare_plans(base, plan).differences if one.key not in pinned]
    if changed:
        reporter.say("Changed with it:")
    for one in changed:
        before = one.before.shown if one.before else "not planned"
        after = f"{one.after.shown} ({one.after.reason})" if one.after else "not planned any more"
        reporter.say(f"  {one.key}: {before} -> {after}")
