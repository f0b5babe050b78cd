"""`import-nnunet`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import AsJson

ModelFolder = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL_FOLDER",
        help="A trained model of nnU-Net (a folder of plans.json, dataset.json, fold_*), or a dataset's results.",
        show_default=False,
    ),
]
Output = Annotated[
    Path,
    typer.Option("-o", "--output", metavar="MODEL", help="Folder for the imported model.", show_default=False),
]
CheckpointName = Annotated[
    str,
    typer.Option("--checkpoint", metavar="FILE", help="File of each fold, e.g. checkpoint_best.pth."),
]
Previous = Annotated[
    Path | None,
    typer.Option(
        "--previous",
        metavar="MODEL_FOLDER",
        help="The low-resolution model that a cascade builds on, where it is not the folder beside.",
        show_default=False,
    ),
]
Family = Annotated[
    str | None,
    typer.Option(
        "--family",
        metavar="TRAINER__PLANS",
        help="Which models to take, where a dataset's results hold those of several trainers or plans.",
        show_default=False,
    ),
]
PostprocessingWished = Annotated[
    bool,
    typer.Option(
        "--postprocessing",
        help="Also do to segmentations what nnU-Net's cross-validation decided (postprocessing.json), which its own "
        "nnUNetv2_predict leaves to another command.",
    ),
]


def import_nnunet(
    model_folder: ModelFolder,
    output: Output,
    checkpoint: CheckpointName = "checkpoint_final.pth",
    previous: Previous = None,
    family: Family = None,
    postprocessing: PostprocessingWished = False,
    as_json: AsJson = False,
) -> None:
    """Turn a trained model of nnU-Net v2 into one of autoseg's, which predicts the same. No code in its files runs."""
    from autoseg.pipeline.import_sources import ImportOptions
    from autoseg.pipeline.importing import import_nnunet as import_model
    from autoseg.pipeline.sharing.exporting import phrase_prediction

    options = ImportOptions(checkpoint, previous, family, postprocessing)
    imported = import_model(model_folder, output, options=options, reporter=TerminalReporter())
    command = phrase_prediction(output, [str(fold) for fold in imported.folds_to_name])
    if as_json:
        told = {"workspace": imported.workspace.root, "folds": imported.folds, "selection": imported.selection}
        print_json({**told, "command": command})
        return
    chosen = imported.selection.configurations.value
    rows = [
        [name, ", ".join(map(str, folds)), "predicts" if name in chosen else ""]
        for name, folds in imported.folds.items()
    ]
    print_table(["configuration", "folds", ""], rows)
    stdout.print(f"Predict with: {command}", markup=False, soft_wrap=True)
