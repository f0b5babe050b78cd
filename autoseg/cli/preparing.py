"""`check`, `fingerprint` and `preprocess`."""

from __future__ import annotations

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import AsJson, Configurations, DatasetFolder, Variant, WorkspaceFolder


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
    from autoseg.pipeline.planning import ensure_fingerprint
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


def preprocess(
    dataset: DatasetFolder,
    workspace: WorkspaceFolder = None,
    variant: Variant = None,
    configuration: Configurations = None,
) -> None:
    """Crop, normalise and resample every case, once for all configurations. Only what is missing is done."""
    from autoseg.pipeline.planning import ensure_plan
    from autoseg.pipeline.preparing import describe_disk, ensure_preprocessed
    from autoseg.pipeline.project import open_project

    project = open_project(dataset, workspace=workspace, variant=variant, reporter=TerminalReporter())
    made = ensure_plan(project)
    for name in configuration or []:
        made.find_configuration(name)
    folders = ensure_preprocessed(project, made, configuration or list(made.configurations))
    project.reporter.say(describe_disk(made, folders))
    for folder in folders.values():
        stdout.print(str(folder), markup=False, soft_wrap=True)
