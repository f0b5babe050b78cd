"""`check`, `fingerprint`, `plan`, `explain` and `preprocess`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import (
    AsJson,
    Configurations,
    DatasetFolder,
    Device,
    Epochs,
    GpuMemory,
    Network,
    TrainTime,
    WorkspaceFolder,
)

if TYPE_CHECKING:
    from autoseg.planning.plan import Wishes


def check(dataset: DatasetFolder, as_json: AsJson = False) -> None:
    """Find every problem of a dataset at once. Exit code 2 if any is an error."""
    from autoseg.data.checking import check_dataset
    from autoseg.data.layouts import read_dataset

    found = read_dataset(dataset)
    with TerminalReporter().follow("Checking", len(found.cases)) as advance:
        problems = check_dataset(found, on_progress=lambda done, total: advance(done, ""))
    n_errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        print_json({"dataset": found, "problems": problems})
    else:
        for note in found.notes:
            stdout.print(f"note     {note}", markup=False, soft_wrap=True)
        for problem in problems:
            stdout.print(f"{problem.severity:8} {problem.where}: {problem.message}", markup=False, soft_wrap=True)
        names = ", ".join(found.labels.names[1:])
        stdout.print(
            f"{len(found.cases)} cases, channels {', '.join(found.channels)}, labels {names} ({found.layout} layout): "
            f"{n_errors} errors, {len(problems) - n_errors} warnings.",
            markup=False,
            soft_wrap=True,
        )
    if n_errors:
        raise typer.Exit(2)


def fingerprint(dataset: DatasetFolder, workspace: WorkspaceFolder = None, as_json: AsJson = False) -> None:
    """Measure a dataset: spacings, shapes, intensities. Only what changed is measured again."""
    from autoseg.pipeline.preparing import ensure_fingerprint
    from autoseg.pipeline.project import open_project

    project = open_project(dataset, workspace=workspace, reporter=TerminalReporter())
    facts = ensure_fingerprint(project)
    if as_json:
        print_json(facts)
        return
    rows: list[list[object]] = [
        ["cases", facts.n_cases],
        ["median shape after cropping (z, y, x)", _median(facts.shapes_after_cropping)],
        ["median spacing (z, y, x) in mm", _median(facts.spacings_mm)],
        ["median share kept by cropping", round(facts.median_share_after_cropping, 3)],
    ]
    for channel, intensities in zip(facts.channels, facts.intensities, strict=True):
        if intensities is not None:
            mean, std = f"{intensities.mean:.4g}", f"{intensities.std:.4g}"
            low, high = f"{intensities.percentile_00_5:.4g}", f"{intensities.percentile_99_5:.4g}"
            rows.append([f"foreground of {channel}", f"mean {mean}, std {std}, 0.5% {low}, 99.5% {high}"])
    print_table(["fact", "value"], [[name, str(value)] for name, value in rows])
    stdout.print(str(project.workspace.fingerprint), markup=False, soft_wrap=True)


def _median(values: object) -> str:
    import numpy as np

    return ", ".join(f"{value:g}" for value in np.median(np.asarray(values), axis=0).round(3))


def plan(
    dataset: DatasetFolder,
    workspace: WorkspaceFolder = None,
    gpu_memory: GpuMemory = None,
    train_time: TrainTime = None,
    epochs: Epochs = None,
    network: Network = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Decide everything for a dataset and a budget. Every decision stands in plan.yaml with its reason."""
    from autoseg.pipeline.preparing import renew_plan
    from autoseg.pipeline.project import open_project

    project = open_project(dataset, workspace=workspace, reporter=TerminalReporter())
    made = renew_plan(project, make_wishes(gpu_memory, train_time, epochs, network), device=device)
    if as_json:
        print_json(made)
        return
    rows = [
        [
            name,
            list(configuration.patch_size.value),
            configuration.batch_size.value,
            [round(mm, 3) for mm in configuration.spacing_mm.value],
            configuration.network.value,
            configuration.features.value[0],
            f"{configuration.memory_gb.value:.2f} GB",
        ]
        for name, configuration in made.configurations.items()
    ]
    columns = ["configuration", "patch", "batch", "spacing mm", "network", "width", "memory"]
    print_table(columns, [[str(cell) for cell in row] for row in rows])
    stdout.print(f"`autoseg explain {dataset}` tells why.", markup=False, soft_wrap=True)


def make_wishes(gpu_memory: float | None, train_time: float | None, epochs: int | None, network: str | None) -> Wishes:
    """What a person asked for, as the planner reads it."""
    from autoseg.planning.plan import Wishes

    refuse_two_lengths(train_time, epochs)
    return Wishes(gpu_memory_gb=gpu_memory, train_time_s=train_time, n_epochs=epochs, network=network or "auto")


def refuse_two_lengths(*lengths: float | None) -> None:
    """Raise UsageError if more than one length of training was given."""
    from autoseg.errors import UsageError

    if sum(length is not None for length in lengths) > 1:
        raise UsageError("--train-time, --epochs and --iterations each set the length of training. Give one of them.")


def explain(
    dataset: DatasetFolder,
    key: Annotated[
        str | None,
        typer.Argument(metavar="[KEY]", help="One decision, e.g. 3d_fullres.patch_size.", show_default=False),
    ] = None,
    workspace: WorkspaceFolder = None,
    as_json: AsJson = False,
) -> None:
    """Print the plan as a table of values and reasons, or one decision in full."""
    from autoseg.pipeline.preparing import ensure_plan
    from autoseg.pipeline.project import open_project
    from autoseg.planning.explaining import explain_key, list_decisions
    from autoseg.serialization import dump_yaml

    project = open_project(dataset, workspace=workspace, reporter=TerminalReporter())
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


def preprocess(dataset: DatasetFolder, workspace: WorkspaceFolder = None, configuration: Configurations = None) -> None:
    """Crop, normalise and resample every case, once for all configurations. Only what is missing is done."""
    from autoseg.pipeline.preparing import ensure_plan, ensure_preprocessed
    from autoseg.pipeline.project import open_project

    project = open_project(dataset, workspace=workspace, reporter=TerminalReporter())
    made = ensure_plan(project)
    for name in configuration or []:
        made.find_configuration(name)
    folders = ensure_preprocessed(project, made, configuration or list(made.configurations))
    for folder in folders.values():
        stdout.print(str(folder), markup=False, soft_wrap=True)
