"""`explain` and `schema`: what was decided and why, and what a file may hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import AsJson, DatasetFolder, Variant, WorkspaceFolder
from autoseg.errors import UsageError

if TYPE_CHECKING:
    from autoseg.pipeline.project import Project

WARNINGS = "warnings"
KINDS = ("plan", "dataset", "fingerprint")


def explain(
    dataset: DatasetFolder,
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="[KEY]",
            help="One decision, e.g. 3d_fullres.patch_size; a room of them, e.g. 3d_fullres; or warnings, for what is "
            "odd about the dataset, what it means and what to do.",
            show_default=False,
        ),
    ] = None,
    workspace: WorkspaceFolder = None,
    variant: Variant = None,
    as_json: AsJson = False,
) -> None:
    """Print the plan as a table of values and reasons, one decision in full, or the dataset's warnings explained."""
    from autoseg.pipeline.project import open_project

    project = open_project(dataset, workspace=workspace, variant=variant, reporter=TerminalReporter())
    if key == WARNINGS:
        _explain_warnings(project, as_json=as_json)
    else:
        _explain_decisions(project, key, as_json=as_json)


def _explain_decisions(project: Project, key: str | None, *, as_json: bool) -> None:
    from autoseg.pipeline.planning import ensure_plan
    from autoseg.planning.explaining import explain_key, list_decisions
    from autoseg.serialization import dump_yaml

    made = ensure_plan(project)
    if key is not None:
        decision = explain_key(made, key)
        if as_json:
            print_json(decision)
        else:
            stdout.print(dump_yaml({key: decision}), markup=False, soft_wrap=True, end="")
        return
    rows = list_decisions(made)
    if as_json:
        print_json(rows)
        return
    print_table(
        ["decision", "value", "source", "reason"], [[row.key, row.value, row.source, row.reason] for row in rows]
    )


def _explain_warnings(project: Project, *, as_json: bool) -> None:
    from autoseg.fingerprinting.oddities import explain_oddities
    from autoseg.pipeline.planning import ensure_fingerprint

    oddities = explain_oddities(ensure_fingerprint(project))
    if as_json:
        print_json(oddities)
        return
    for oddity in oddities:
        stdout.print(oddity.message, style="bold", markup=False)
        stdout.print(f"  {oddity.meaning}", markup=False)
        stdout.print(f"  {oddity.remedy}", markup=False)
    stdout.print(f"{len(oddities)} warnings about {project.dataset.name}.", markup=False, soft_wrap=True)


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="plan, dataset (nnU-Net's dataset.json) or fingerprint.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write it to this file. Plans that are written beside a plan.schema.json point editors to it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the JSON Schema of a file, so that editors complete keys and underline mistakes."""
    from autoseg.serialization import write_json

    described = describe_kind(kind)
    if output is None:
        print_json(described)
        return
    write_json(output, described)
    hint = f"# yaml-language-server: $schema={output.name}"
    stdout.print(f"{output}: a YAML file beside it is checked by editors if it begins with {hint}", soft_wrap=True)


def describe_kind(kind: str) -> object:
    """The JSON Schema of a kind of file. Raises UsageError for an unknown kind."""
    from autoseg.data.dataset_schema import DATASET_SCHEMA
    from autoseg.fingerprinting.fingerprint import Fingerprint
    from autoseg.planning.plan import Plan
    from autoseg.schemas import describe_record
    from autoseg.serialization import did_you_mean

    if kind not in KINDS:
        raise UsageError(f"schema {kind}: there is no such kind of file.{did_you_mean(kind, KINDS)}")
    return DATASET_SCHEMA if kind == "dataset" else describe_record(Plan if kind == "plan" else Fingerprint)
