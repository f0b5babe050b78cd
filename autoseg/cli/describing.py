"""`explain` and `schema`: what was decided and why, what a person may set, and what a file may hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import AsJson, Variant, WorkspaceFolder
from autoseg.errors import UsageError

if TYPE_CHECKING:
    from autoseg.pipeline.project import Project
    from autoseg.planning.naming import Parameter
    from autoseg.planning.options import Option

WARNINGS = "warnings"
KINDS = ("plan", "dataset", "fingerprint")


def explain(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATASET]",
            help="Folder of a dataset, as for the other commands; none is needed for --options.",
            show_default=False,
        ),
    ] = None,
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
    options: Annotated[
        bool,
        typer.Option(
            "--options",
            help="Print what can be set in any plan instead, with ranges, names and examples: all of it, or what KEY "
            "names, e.g. loss, optimizer.name or focal.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the plan as a table of values and reasons, one decision in full, the dataset's warnings, or all options."""
    if options:
        _explain_options(key or (str(dataset) if dataset else None), as_json=as_json)
        return
    if dataset is None:
        raise UsageError("Explain what? Give a DATASET, or --options for what can be set in any plan.")
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


def _explain_options(key: str | None, *, as_json: bool) -> None:
    from autoseg.planning.options import list_options

    found = list_options(key)
    if as_json:
        print_json(found)
        return
    rows = [[one.key, one.type, one.default, one.range, one.meaning] for one in found]
    print_table(["option", "type", "default", "range", "meaning"], rows)
    for one in found:
        _print_names(one)
    for example in [one.example for one in found if one.example]:
        stdout.print(f"autoseg plan DATASET {example}", markup=False, soft_wrap=True)


def _print_names(option: Option) -> None:
    """What an option can be called, and what each name takes."""
    rows = [
        [named.name, named.meaning, "\n".join(map(_tell_parameter, named.parameters.items()))] for named in option.names
    ]
    if option.takes_own:
        rows.append(["package.module:Name", "your own, from any module that can be imported", ""])
    if rows:
        print_table(["name", "meaning", "takes"], rows, title=option.key)


def _tell_parameter(row: tuple[str, Parameter]) -> str:
    from autoseg.planning.explaining import format_value

    name, parameter = row
    limits = f", {parameter.range}" if parameter.range else ""
    return f"{name} = {format_value(parameter.default)}{limits}: {parameter.meaning}"


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
