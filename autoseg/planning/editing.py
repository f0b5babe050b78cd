"""How does a person set a value without opening the file?

`--set 3d_fullres.patch_size=[32,48,48]` does what writing the bare value in place of its block does; a key that leads
deeper (`3d_fullres.optimizer.learning_rate=0.005`) sets the whole decision with that part changed, or added where
names are open (`3d_fullres.loss.parameters.focal.gamma=3`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from autoseg.components import is_dotted
from autoseg.decision import Decision
from autoseg.errors import AutosegError, UsageError
from autoseg.planning.explaining import is_forecast, suggest_key
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import parse_edited_plan
from autoseg.planning.validation import find_pinned_problems
from autoseg.planning.walking import Found, find_decisions, is_within, split_key
from autoseg.serialization import Place, Record, did_you_mean, parse_yaml, to_plain

OPTION = "--set"


class Assignment(NamedTuple):
    """A value for a dotted key, as plain data."""

    key: str
    value: Any


def parse_assignment(text: str) -> Assignment:
    """Read `3d_fullres.patch_size=[32,48,48]`; the value is YAML, as in the file.

    Raises:
        UsageError: there is no key, no value, or the value is no YAML.
    """
    key, equals, written = text.partition("=")
    key = key.strip().removeprefix("configurations.")
    if not equals or not key or not written.strip():
        raise UsageError(f"{OPTION} {text}: expected KEY=VALUE, for example 3d_fullres.patch_size=[32,48,48].")
    try:
        return Assignment(key, parse_yaml(written, where=f"{OPTION} {key}"))
    except AutosegError as problem:
        raise UsageError(str(problem)) from None


def edit_plan(plan: Plan, assignments: Sequence[str]) -> Plan:
    """The plan with values set by hand; what rests on them is not derived anew yet.

    Args:
        assignments: `KEY=VALUE`, with keys as `autoseg explain` prints them, or deeper.

    Raises:
        UsageError: a key is not known, or nobody can set it; or a value is of the wrong type.
    """
    for text in assignments:
        plan = assign(plan, parse_assignment(text))
    return plan


def assign(plan: Plan, assignment: Assignment) -> Plan:
    """The plan with one value set by hand. Raises UsageError as `edit_plan` does."""
    found = _find(plan, assignment.key)
    steps = split_key(assignment.key[len(found.key) :])
    value = _replace_inside(found.decision.value, steps, assignment)
    plain = to_plain(plan)
    _put(plain, found.place, value)
    try:
        return parse_edited_plan(plain, where=f"{OPTION} {assignment.key}")
    except AutosegError as problem:
        raise UsageError(str(problem)) from None


def _find(plan: Plan, key: str) -> Found:
    """The decision of a key, or the one that the key leads into."""
    known = {found.key: found for found in find_decisions(plan)}
    around = [found for found in known.values() if is_within(key, found.key)]
    if not around:
        _refuse_left_out(plan, key)
        raise UsageError(f"{OPTION} {key}: the plan decides nothing of that name.{suggest_key(key, list(known))}")
    found = max(around, key=lambda one: len(one.key))
    if is_forecast(found.key):
        remedy = "Set budget.memory_gb, or one of the values that it follows from."
        raise UsageError(f"{OPTION} {key}: is a forecast and follows from other values. {remedy}")
    if found.key.endswith(".median_shape"):
        raise UsageError(f"{OPTION} {key}: is measured, and follows from spacing_mm. Set that.")
    return found


def _refuse_left_out(plan: Plan, key: str) -> None:
    name = key.split(".")[0]
    if name in plan.left_out:
        raise UsageError(f"{OPTION} {key}: the plan leaves {name} out: {plan.left_out[name].reason}.")


def _replace_inside(value: Any, steps: Place, assignment: Assignment) -> Any:
    """A value as plain data, with one part of it replaced; dictionaries are open and take a new key as well."""
    if not steps:
        return assignment.value
    if isinstance(value, dict):
        name, rest = _take_name(steps)
        return {**to_plain(value), name: _replace_inside(value.get(name, {}), rest, assignment)}
    step, *others = steps
    known: dict[Any, Any] = dict(value) if isinstance(value, Record) else {}
    parts: dict[Any, Any] = dict(enumerate(value)) if isinstance(value, list | tuple) else known
    if value is None:
        whole = f"{assignment.key.rpartition('.')[0]}={{{step}: {assignment.value}}}"
        raise UsageError(f"{OPTION} {assignment.key}: nothing is set there yet. Set it as a whole: '{whole}'.")
    if step not in parts:
        near = did_you_mean(str(step), known) if known else ""
        raise UsageError(f"{OPTION} {assignment.key}: there is no {step} in that value.{near}")
    plain = to_plain(value)
    plain[step] = _replace_inside(parts[step], tuple(others), assignment)
    return plain


def _take_name(steps: Place) -> tuple[str, Place]:
    """The first step and the others; a dotted path, whose dots do not lead deeper, is one step."""
    n = next((index + 1 for index, step in enumerate(steps) if is_dotted(str(step))), 1)
    return ".".join(map(str, steps[:n])), steps[n:]


def _put(plain: Any, place: Place, value: Any) -> None:
    *rooms, last = place
    for step in rooms:
        plain = plain[step]
    plain[last] = value


def check_pinned(plan: Plan) -> None:
    """Raise UsageError with everything that is wrong with what a person set, before anything is derived from it."""
    if problems := find_pinned_problems(plan):
        raise UsageError("\n".join(f"set by hand: {problem}" for problem in problems))


def list_pinned(plan: Plan) -> tuple[tuple[str, Decision[Any]], ...]:
    """The decisions that a person set, with their dotted keys."""
    return tuple((found.key, found.decision) for found in find_decisions(plan) if found.decision.is_set_by_hand)
