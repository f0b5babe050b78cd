"""`train` and `select`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import (
    AsJson,
    AugmentationPreset,
    Configurations,
    DatasetFolder,
    Device,
    Epochs,
    Folds,
    GpuMemory,
    Network,
    TrainTime,
    Variant,
    WorkspaceFolder,
    parse_extension,
)
from autoseg.cli.threads import choose_waiting
from autoseg.cli.wishing import make_wishes, refuse_two_lengths
from autoseg.errors import UsageError

LARGEST_SEED = 2**31 - 1


def train(
    dataset: DatasetFolder,
    fold: Folds = None,
    configuration: Configurations = None,
    train_time: TrainTime = None,
    epochs: Epochs = None,
    iterations: Annotated[
        int | None,
        typer.Option("--iterations", metavar="N", min=1, help="Iterations, instead of a time.", show_default=False),
    ] = None,
    extend: Annotated[
        str | None,
        typer.Option(
            "--extend",
            metavar="DURATION",
            help="Train a finished fold further: a duration, e.g. 2h, or iterations, e.g. 5000it. The learning rate "
            "rises to where the longer schedule has it, and ends annealed again.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    gpu_memory: GpuMemory = None,
    network: Network = None,
    augmentation: AugmentationPreset = None,
    pretrained: Annotated[
        Path | None,
        typer.Option(
            "--pretrained",
            metavar="FILE",
            help="Begin with weights of a checkpoint: what fits is loaded, what does not is named.",
            show_default=False,
        ),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start over; the run before is moved aside.")] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, help="Folds to train side by side on this machine.")
    ] = 1,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=0, help="Processes that make batches. [default: from the cores]", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Of weights and batches.")] = 0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write events for TensorBoard into the folder of each fold.")
    ] = False,
    mlflow: Annotated[
        str | None,
        typer.Option("--mlflow", metavar="URI", help="Track in MLflow, at this address or folder.", show_default=False),
    ] = None,
    workspace: WorkspaceFolder = None,
    variant: Variant = None,
    as_json: AsJson = False,
) -> None:
    """Train folds and score each on the cases it never saw. An interrupted fold continues where it stopped."""
    refuse_two_lengths(train_time, epochs, iterations)
    if extend is not None and (restart or train_time or epochs or iterations):
        raise UsageError(
            "--extend goes on with a run as it is: leave out --restart, --train-time, --epochs, --iterations."
        )
    choose_waiting()
    from autoseg.pipeline.project import open_project
    from autoseg.pipeline.training import TrainingWishes, train_folds
    from autoseg.pipeline.watching import Tracking
    from autoseg.planning.choices import Length

    project = open_project(dataset, workspace=workspace, variant=variant, reporter=TerminalReporter())
    wishes = TrainingWishes(
        planning=make_wishes(gpu_memory, train_time, epochs, network, augmentation=augmentation),
        configurations=tuple(configuration or ()),
        folds=tuple(fold or ()),
        n_iterations=iterations,
        extra=None if extend is None else Length.model_validate(parse_extension(extend)),
        device=device,
        restart=restart,
        n_workers=workers,
        n_jobs=jobs,
        seed=seed,
        pretrained=pretrained,
        tracking=Tracking(tensorboard=tensorboard, mlflow=mlflow),
    )
    reports = train_folds(project, wishes)
    if as_json:
        print_json({f"{name}/fold_{k}": report for (name, k), report in reports.items()})
        return
    names = [name for name, _ in project.dataset.labels.targets]
    rows = [
        [name, str(k), len(report.cases), *(report.summary[label]["dice"].mean for label in names), report.mean_dice]
        for (name, k), report in reports.items()
    ]
    if rows:  # none of a fold that holds no case out, and of the further processes of several
        print_table(["configuration", "fold", "cases", *names, "mean Dice"], rows)
    for name, k in reports:
        stdout.print(str(project.workspace.run(name, k).root), markup=False, soft_wrap=True)


def select(
    dataset: DatasetFolder,
    workspace: WorkspaceFolder = None,
    variant: Variant = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Choose the best configuration or ensemble, and its postprocessing, from the cross-validation."""
    choose_waiting()
    from autoseg.evaluation.selecting import name_candidate
    from autoseg.pipeline.project import open_project
    from autoseg.pipeline.selecting import ensure_selection

    project = open_project(dataset, workspace=workspace, variant=variant, reporter=TerminalReporter())
    selection = ensure_selection(project, device=device)
    if as_json:
        print_json(selection)
        return
    chosen = name_candidate(selection.configurations.value)
    rows = [[name, dice, "selected" if name == chosen else ""] for name, dice in selection.validation_dice.items()]
    print_table(["candidate", "mean Dice", ""], rows, title=f"Cross-validation over folds {list(selection.folds)}")
    stdout.print(f"Configurations: {selection.configurations.reason}", markup=False, soft_wrap=True)
    stdout.print(f"Postprocessing: {selection.postprocessing.reason}", markup=False, soft_wrap=True)
    stdout.print(str(project.workspace.selection), markup=False, soft_wrap=True)
