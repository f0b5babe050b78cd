"""What is wrong with a plan file, and what should a person know about it? (`autoseg plan --check`)

Three rings, told all at once, each finding with its line and a way out: the file (unknown keys, types), the invariants
across values, and advice, which is no error. So that a mistake in the file does not hide the contradictions behind it,
what the schema refuses is mended with a stand-in, and what is said about the stand-in is left out.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.advising import find_advice
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import notice_edits, read_located_plan, refuse_other_files
from autoseg.planning.validation import find_problems
from autoseg.planning.walking import UNNAMED, find_place
from autoseg.schemas import make_stand_in
from autoseg.serialization import Lines, Place, Record, find_line, find_schema_problems, tell_where

MOST_ROUNDS = 5  # of mending: what is put in can be wrong in turn


class Finding(Record):
    """One thing to tell about a plan file.

    Attributes:
        where: the file, and the line.
        line: counted from 1; None where it is not known.
        key: the dotted key.
        severity: an `error` keeps the plan from being used, `advice` does not.
        message: a sentence that begins with the key.
    """

    where: str
    line: int | None
    key: str
    severity: Literal["error", "advice"]
    message: str


def inspect_plan(path: Path, fingerprint: Fingerprint | None = None) -> tuple[Finding, ...]:
    """Everything that is wrong with a plan file, or worth knowing; nothing if it is as the rules would have it.

    Args:
        path: of the plan.
        fingerprint: of its dataset, to ask the rules again.

    Raises:
        PlanError: the file is no plan at all, or of another format.
        AutosegError: there is no such file, or it is not YAML.
    """
    content = read_located_plan(path)
    refuse_other_files(content.value, where=str(path), lines=content.lines)
    refused = find_schema_problems(Plan, content.value)
    told = [(place, _name(place), sentence) for place, sentence in refused]
    plan = _mend(content.value)
    if plan is not None:
        plan = notice_edits(plan)
        contradictions = _find_contradictions(plan, content.lines)
        told += [one for one in contradictions if not _rests_on(one[0], one[2], [bad for bad, _ in refused])]
    errors = [_report(path, content.lines, "error", *one) for one in told]
    if errors or plan is None:
        return tuple(sorted(errors, key=lambda one: one.line or 0))
    advice = [(find_place(plan, one.key, content.lines), one) for one in find_advice(plan, fingerprint)]
    return tuple(_report(path, content.lines, "advice", place, one.key, str(one)) for place, one in advice)


def _find_contradictions(plan: Plan, lines: Lines) -> Iterator[tuple[Place, str, str]]:
    for problem in find_problems(plan):
        yield find_place(plan, problem.key, lines), problem.key, str(problem)


def _report(
    path: Path, lines: Lines, severity: Literal["error", "advice"], place: Place, key: str, message: str
) -> Finding:
    return Finding(
        where=tell_where(str(path), lines, place),
        line=find_line(lines, place),
        key=key,
        severity=severity,
        message=message,
    )


def _name(place: Place) -> str:
    """The dotted key of a place: `2d.patch_size[0]`."""
    steps = place[1:] if place[:1] == (UNNAMED,) and len(place) > 1 else place
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _mend(value: Any) -> Plan | None:
    """A plan that the schema allows, with stand-ins for what it refuses; None where that does not help."""
    mended = copy.deepcopy(value)
    for _ in range(MOST_ROUNDS):
        problems = find_schema_problems(Plan, mended)
        if not problems:
            return Plan.model_validate(mended)
        for place, _ in problems:
            make_stand_in(Plan, mended, place)
    return None


def _rests_on(place: Place, sentence: str, mended: list[Place]) -> bool:
    """Whether a contradiction is about a stand-in, or may come from one."""
    words = set(sentence.replace(".", " ").split())
    for bad in mended:
        shorter = min(len(bad), len(place))
        if bad[:shorter] == place[:shorter]:
            return True
        is_elsewhere = bad[:1] == (UNNAMED,) and bad[:2] != place[:2]
        names = {step for step in bad[2 if bad[:1] == (UNNAMED,) else 0 :] if step != "value"}
        if not is_elsewhere and words & names:
            return True
    return False
