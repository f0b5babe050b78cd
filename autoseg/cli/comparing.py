"""`evaluate` and `benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import AsJson, DatasetFolder, Device, Folds, TrainTime, Variant, WorkspaceFolder
from autoseg.cli.threads import choose_waiting


def evaluate(
    reference: Annotated[
        Path,
        typer.Argument(metavar="REFERENCE", help="Folder (or file) of reference segmentations.", show_default=False),
    ],
    predicted: Annotated[
        Path,
        typer.Argument(metavar="PREDICTED", help="Folder (or file) of predicted segmentations.", show_default=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Also write the report as JSON to this file.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score predicted segmentations per case and label. A missing prediction counts as a miss, never as absent."""
    from autoseg.evaluation.evaluating import evaluate_folders
    from autoseg.evaluation.report import case_rows, label_rows
    from autoseg.serialization import write_json

    report = evaluate_folders(reference, predicted)
    if output is not None:
        write_json(output, report)
    if as_json:
        print_json(report)
        return
    print_table(*case_rows(report), title="Per case and label")
    print_table(*label_rows(report), title="Per label, over cases")
    stdout.print(report.definition, markup=False, soft_wrap=True)


def benchmark(
    dataset: DatasetFolder,
    methods: Annotated[
        str,
        typer.Option(
            "--methods", metavar="NAMES", help="Networks to compare, separated by commas: unet, residual_unet."
        ),
    ] = "unet,residual_unet",
    train_time: TrainTime = None,
    configuration: Annotated[
        str | None,
        typer.Option("--configuration", metavar="NAME", help="[default: the plan's first choice]", show_default=False),
    ] = None,
    fold: Folds = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option("--seed", help="Of weights and batches; the same for every method.")] = 0,
    workspace: WorkspaceFolder = None,
    variant: Variant = None,
    as_json: AsJson = False,
) -> None:
    """Compare networks fairly: one plan, one split, one budget, one evaluation, and paired statistics."""
    choose_waiting()
    from autoseg.pipeline.benchmarking import compare_methods
    from autoseg.pipeline.project import open_project

    project = open_project(dataset, workspace=workspace, variant=variant, reporter=TerminalReporter())
    comparison = compare_methods(
        project,
        [name.strip() for name in methods.split(",") if name.strip()],
        configuration=configuration,
        folds=tuple(fold or ("0",)),
        train_time_s=train_time,
        device=device,
        seed=seed,
    )
    if as_json:
        print_json(comparison)
        return
    print_table(*comparison.table())
    for sentence in comparison.sentences:
        stdout.print(sentence, markup=False, soft_wrap=True)
    stdout.print(str(project.workspace.benchmark), markup=False, soft_wrap=True)
