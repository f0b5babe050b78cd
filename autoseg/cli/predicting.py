"""`predict-ensemble`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import AsJson, Configurations, Device, Folds, Variant, WorkspaceFolder
from autoseg.cli.threads import choose_waiting

Model = Annotated[
    Path,
    typer.Argument(
        metavar="DATASET_OR_WORKSPACE",
        help="A dataset, or the workspace that its models lie in.",
        show_default=False,
    ),
]
Images = Annotated[
    Path,
    typer.Option(
        "-i",
        "--images",
        metavar="IMAGES",
        help="A file, or a folder of files, in any supported format.",
        show_default=False,
    ),
]
Output = Annotated[
    Path,
    typer.Option("-o", "--output", metavar="PREDICTIONS", help="Folder for the segmentations.", show_default=False),
]
Probabilities = Annotated[
    bool, typer.Option("--probabilities", help="Also write the probability of each label as an image.")
]
Mirroring = Annotated[
    bool,
    typer.Option("--mirroring/--no-mirroring", help="Average the predictions of the mirror images that the plan has."),
]
WindowStep = Annotated[
    float, typer.Option("--window-step", min=0.1, max=1.0, help="Step between windows, as a share of the patch.")
]


def predict_ensemble(
    model: Model,
    images: Images,
    output: Output,
    probabilities: Probabilities = False,
    configuration: Configurations = None,
    fold: Folds = None,
    mirroring: Mirroring = True,
    window_step: WindowStep = 0.5,
    device: Device = "auto",
    workspace: WorkspaceFolder = None,
    variant: Variant = None,
    as_json: AsJson = False,
) -> None:
    """Segment new images with all trained folds of the selected configurations, ensembled and postprocessed."""
    choose_waiting()
    from autoseg.pipeline.model import load_model
    from autoseg.pipeline.predicting import predict_images
    from autoseg.pipeline.preparing import parse_folds
    from autoseg.prediction.options import PredictionOptions

    reporter = TerminalReporter()
    loaded = load_model(
        model,
        workspace=workspace,
        variant=variant,
        configurations=configuration or (),
        folds=parse_folds(fold or ()),
        device=device,
        options=PredictionOptions(step=window_step, mirroring="all" if mirroring else "none"),
        reporter=reporter,
    )
    results = predict_images(loaded, images, output, probabilities=probabilities, reporter=reporter)
    if as_json:
        print_json(results)
        return
    names = [name for name, _ in loaded.labels.targets]
    rows = [
        [
            result.case_id,
            *(result.volumes_ml.get(name) for name in names),
            result.runtime_s,
            "was there" if result.was_there else "",
        ]
        for result in results
    ]
    print_table(["case", *(f"{name} ml" for name in names), "seconds", ""], rows)
    stdout.print(str(output), markup=False, soft_wrap=True)
