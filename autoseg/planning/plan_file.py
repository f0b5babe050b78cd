"""How a plan becomes a file that people read and edit, and how it is read back.

YAML with a header on how to edit it. Reading checks the schema and the invariants and names every problem at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoseg.errors import PlanError
from autoseg.planning.plan import FORMAT, Plan
from autoseg.planning.validation import check_plan
from autoseg.serialization import parse_record, read_yaml, write_yaml

HEADER = """\
The plan of one dataset on one budget: every choice with its value, the reason, and the numbers behind the reason.

To change a choice, write the bare value in place of its block:
    batch_size: 4
It then counts as set by a person. `autoseg explain` prints what is decided and why; a mistake is named when the plan is
read, with the way out. Lists run along the axes: axis order in 3D, the last two axes in 2D; mm, voxels, seconds, GB.
The format is explained in plans/README.md.
"""


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan, atomically."""
    write_yaml(path, plan, header=HEADER)


def read_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        PlanError: keys, values or invariants are wrong; one line for each problem, with a way out.
        AutosegError: there is no such file, or it is not YAML.
    """
    return parse_plan(read_yaml(path), where=str(path))


def parse_plan(value: Any, *, where: str) -> Plan:
    """Turn plain data into a plan that holds together. Raises PlanError as `read_plan` does."""
    if not isinstance(value, dict) or "autoseg_plan" not in value:
        raise PlanError(f"{where}: is not a plan: it lacks the key autoseg_plan. `autoseg plan` writes one.")
    if value["autoseg_plan"] != FORMAT:
        raise PlanError(
            f"{where}: is a plan of format {value['autoseg_plan']}, but this version reads format {FORMAT}. Plan again."
        )
    plan = parse_record(Plan, value, where=where, error=PlanError)
    check_plan(plan, where=where)
    return plan
