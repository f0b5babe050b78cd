"""How a plan becomes a file that people read and edit, and how it is read back.

YAML with a header on how to edit it, and a seal at its end. Reading checks the schema and the invariants and names
every problem at once, with its line.

The seal names the value of every decision that a rule made. Where value and seal differ, a person edited inside the
block, and the reason beside no longer tells why: the decision then reads as the bare value would, set by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoseg.decision import Decision, set_by_hand
from autoseg.errors import PlanError
from autoseg.planning.explaining import is_forecast
from autoseg.planning.plan import FORMAT, Plan
from autoseg.planning.validation import find_problems
from autoseg.planning.walking import change_decisions, find_place, walk_decisions
from autoseg.serialization import (
    Lines,
    Located,
    Record,
    digest,
    parse_located_yaml,
    parse_record,
    read_text,
    tell_where,
    to_plain,
    write_yaml,
)

HEADER = """\
The plan of one dataset on one budget: every choice with its value, the reason, and the numbers behind the reason.

To change a choice, write the bare value in place of its block, or change the value inside the block:
    batch_size: 4
It then counts as set by a person. Then let the rest follow from it, or see what is wrong or no longer holds:
    autoseg plan DATASET --from plan.yaml          keeps what was set by hand, derives all else anew
    autoseg plan --check plan.yaml                 names every problem with its line and what to do
    autoseg plan --diff plan.old1.yaml plan.yaml   what changed, why, and what it costs
`autoseg plan DATASET --set 3d_fullres.batch_size=4` does the edit as well. `autoseg explain DATASET` prints what is
decided and why. Lists run along the axes: axis order in 3D, the last two axes in 2D; mm, voxels, seconds, GB.
The format is explained in plans/README.md; the seal at the end is how an edit inside a block is noticed.
"""
SCHEMA_FILE = "plan.schema.json"  # an editor that finds it beside the plan completes and checks while one types
SEAL_LENGTH = 4  # hexadecimal digits: an edit goes unnoticed once in 65,536
LATER_FIELDS = {
    "parameters",
    "elastic",
    "custom",
}  # of loss, optimiser and augmentation; plans before did not have them


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan with its seal, atomically. A plan with a schema beside it tells editors so."""
    hint = f"yaml-language-server: $schema={SCHEMA_FILE}\n" if (path.parent / SCHEMA_FILE).is_file() else ""
    write_yaml(path, seal_plan(plan), header=hint + HEADER)


def read_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        PlanError: keys, values or invariants are wrong; one line for each problem, with a way out.
        AutosegError: there is no such file, or it is not YAML.
    """
    content = read_located_plan(path)
    return parse_plan(content.value, where=str(path), lines=content.lines)


def read_edited_plan(path: Path) -> Plan:
    """Read a plan that is about to be derived anew: what a person set in it may still contradict the rest.

    Raises:
        PlanError: keys or values are wrong; one line for each problem, with a way out.
        AutosegError: there is no such file, or it is not YAML.
    """
    content = read_located_plan(path)
    return parse_edited_plan(content.value, where=str(path), lines=content.lines)


def read_located_plan(path: Path) -> Located:
    """The content of a plan file as plain data, and the lines of it."""
    return parse_located_yaml(read_text(path), where=str(path))


def parse_plan(value: Any, *, where: str, lines: Lines | None = None) -> Plan:
    """Turn plain data into a plan that holds together. Raises PlanError as `read_plan` does."""
    plan = parse_edited_plan(value, where=where, lines=lines)
    if problems := find_problems(plan):
        known = lines or {}
        places = [tell_where(where, known, find_place(plan, problem.key, known)) for problem in problems]
        raise PlanError("\n".join(f"{place}: {problem}" for place, problem in zip(places, problems, strict=True)))
    return plan


def parse_edited_plan(value: Any, *, where: str, lines: Lines | None = None) -> Plan:
    """Turn plain data into a plan that the schema allows, whether or not its values hold together."""
    refuse_other_files(value, where=where, lines=lines or {})
    return notice_edits(parse_record(Plan, value, where=where, error=PlanError, lines=lines))


def refuse_other_files(value: Any, *, where: str, lines: Lines) -> None:
    """Raise PlanError for what is no plan, or a plan of another format."""
    if not isinstance(value, dict) or "autoseg_plan" not in value:
        raise PlanError(f"{where}: is not a plan: it lacks the key autoseg_plan. `autoseg plan` writes one.")
    if value["autoseg_plan"] != FORMAT:
        place = tell_where(where, lines, ("autoseg_plan",))
        raise PlanError(
            f"{place}: is a plan of format {value['autoseg_plan']}, but this version reads format {FORMAT}. Plan again."
        )


def seal_plan(plan: Plan) -> Plan:
    """The plan with the seal that its values have now."""
    return plan.model_copy(update={"seal": compute_seal(plan)})


def compute_seal(plan: Plan) -> dict[str, str]:
    """The name of every decision's value, by dotted key; what a person set needs none, and a forecast is no choice."""
    decisions = [(key, found) for key, found in walk_decisions(plan) if not is_forecast(key)]
    return {key: _name_value(found) for key, found in decisions if not found.is_set_by_hand}


def notice_edits(plan: Plan) -> Plan:
    """The plan without its seal: decisions whose value is not the sealed one are set by hand.

    A decision without an entry, as in a file that was written by hand, is taken as it is.
    """
    seal: Mapping[str, str] = plan.seal

    def notice(key: str, decision: Decision[Any]) -> Decision[Any]:
        is_as_sealed = key not in seal or decision.is_set_by_hand or seal[key] in _list_seals(decision)
        return decision if is_as_sealed else set_by_hand(decision)

    unsealed: Plan = change_decisions(plan, notice) if seal else plan
    return unsealed.model_copy(update={"seal": {}})


def _list_seals(decision: Decision[Any]) -> tuple[str, ...]:
    """The seals that a value may have: of now, and of plans that were written before some of its fields were there."""
    value = decision.value
    fields = type(value).model_fields if isinstance(value, Record) else {}
    unused = {name for name in LATER_FIELDS & set(fields) if getattr(value, name) == fields[name].default}
    before = {name: part for name, part in to_plain(value).items() if name not in unused} if unused else value
    return _name_value(decision), digest(before)[:SEAL_LENGTH]


def _name_value(decision: Decision[Any]) -> str:
    return digest(decision.value)[:SEAL_LENGTH]
