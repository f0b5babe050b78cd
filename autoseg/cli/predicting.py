"""`predict-ensemble`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.memory_option import parse_bytes
from autoseg.cli.options import AsJson, Configurations, Device, Folds, Variant, WorkspaceFolder
from autoseg.cli.threads import choose_waiting
from autoseg.errors import UsageError

if TYPE_CHECKING:
    from autoseg.data.splits import Fold
    from autoseg.pipeline.prediction.manifest import Predicted
    from autoseg.prediction.options import PredictionOptions

MOST_COLUMNS = 6  # labels that a table lists; confidence.csv has them all
EXPECTED = "predicted Dice"
COST_OF_FAST = "What leaving out mirror images cost in Dice stands in benchmarks/README.md."

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
        help="A file, or a folder of files, in any supported format. Several channels are CASE_0000, CASE_0001, ...",
        show_default=False,
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="PREDICTIONS",
        help="Folder for the segmentations, confidence.csv and predictions.json; for a single image also a file name.",
        show_default=False,
    ),
]
Probabilities = Annotated[
    bool, typer.Option("--probabilities", help="Also write the probability of each label as an image.")
]
Uncertainty = Annotated[
    bool, typer.Option("--uncertainty", help="Also write how undecided each voxel is, from 0 to 1, as an image.")
]
MirroringOption = Annotated[
    Literal["none", "adaptive", "all"] | None,
    typer.Option(
        "--mirroring",
        help="Mirror images that are averaged: all that the plan has, none, or adaptive: all of them, but only where "
        "the first pass is uncertain. [default: all]",
        show_default=False,
    ),
]
NoMirroring = Annotated[bool, typer.Option("--no-mirroring", help="The same as --mirroring none.")]
WindowStep = Annotated[
    float | None,
    typer.Option(
        "--window-step",
        min=0.1,
        max=1.0,
        help="Step between windows, as a share of the patch. [default: 0.5]",
        show_default=False,
    ),
]
Fast = Annotated[
    bool,
    typer.Option(
        "--fast",
        help="The same as --mirroring none --window-step 0.75: less is computed; what either says by itself wins. "
        f"{COST_OF_FAST}",
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Memory that may be held, libraries included: 4GB, 2GiB, 500MB; a bare number is GB. The segmentation is "
        "the same whatever it says; how it is kept within is decided and said before the first image. [default: most "
        "of what is free]",
        show_default=False,
    ),
]
Scratch = Annotated[
    Path | None,
    typer.Option(
        "--scratch",
        metavar="FOLDER",
        help="Folder of temporary files, which are written where the memory is too small. [default: the output folder]",
        show_default=False,
    ),
]


def predict_ensemble(
    model: Model,
    images: Images,
    output: Output,
    probabilities: Probabilities = False,
    uncertainty: Uncertainty = False,
    configuration: Configurations = None,
    fold: Folds = None,
    mirroring: MirroringOption = None,
    no_mirroring: NoMirroring = False,
    window_step: WindowStep = None,
    fast: Fast = False,
    memory: Memory = None,
    scratch: Scratch = None,
    device: Device = "auto",
    workspace: WorkspaceFolder = None,
    variant: Variant = None,
    as_json: AsJson = False,
) -> None:
    """Segment new images with all trained folds of the selected configurations, ensembled and postprocessed."""
    memory_bytes = parse_bytes(memory)
    choose_waiting()
    from autoseg.pipeline.model import load_model
    from autoseg.pipeline.prediction.predicting import predict_images

    reporter = TerminalReporter()
    loaded = load_model(
        model,
        workspace=workspace,
        variant=variant,
        configurations=configuration or (),
        folds=_parse_folds(fold),
        device=device,
        options=choose_options(mirroring, window_step, is_fast=fast, is_unmirrored=no_mirroring),
        reporter=reporter,
    )
    results = predict_images(
        loaded,
        images,
        output,
        probabilities=probabilities,
        uncertainty=uncertainty,
        memory_bytes=memory_bytes,
        scratch=scratch,
        reporter=reporter,
    )
    if as_json:
        print_json(results)
    else:
        _print(results, [name for name, _ in loaded.labels.targets])
        stdout.print(str(output), markup=False, soft_wrap=True)


def choose_options(
    mirroring: Literal["none", "adaptive", "all"] | None,
    step: float | None,
    *,
    is_fast: bool = False,
    is_unmirrored: bool = False,
) -> PredictionOptions:
    """What is said in single words wins over --fast.

    Raises:
        UsageError: two options contradict each other.
    """
    from autoseg.prediction.options import FAST, PredictionOptions

    if is_unmirrored and mirroring not in (None, "none"):
        raise UsageError(f"--no-mirroring contradicts --mirroring {mirroring}. Leave one of them out.")
    chosen = FAST if is_fast else PredictionOptions()
    said = {"mirroring": "none" if is_unmirrored else mirroring, "step": step}
    return PredictionOptions.model_validate(
        {**chosen.model_dump(), **{name: value for name, value in said.items() if value is not None}}
    )


def _parse_folds(wanted: list[str] | None) -> tuple[Fold, ...]:
    if not wanted:
        return ()
    from autoseg.pipeline.preparing import parse_folds  # loads preprocessing, which most predictions do without

    return parse_folds(wanted)


def _print(results: list[Predicted], names: list[str]) -> None:
    """Volumes and predicted Dice of every label; where there are many, what sums them up."""
    shown = _list_labels if len(names) <= MOST_COLUMNS else _sum_labels_up
    columns = [name for name, _ in shown(results[0], names)]
    rows = [
        [
            result.case_id,
            *(value for _, value in shown(result, names)),
            result.runtime_s,
            "was there" if result.was_there else "",
        ]
        for result in results
    ]
    is_empty = [all(row[1 + index] is None for row in rows) for index in range(len(columns))]
    kept = [index for index, name in enumerate(columns) if not (is_empty[index] and name.endswith(EXPECTED))]
    table = [[row[0], *(row[1 + index] for index in kept), *row[-2:]] for row in rows]
    print_table(["case", *(columns[index] for index in kept), "seconds", ""], table)


def _list_labels(result: Predicted, names: list[str]) -> list[tuple[str, Any]]:
    volumes = [(f"{name} ml", result.volumes_ml.get(name)) for name in names]
    return volumes + [(f"{name} {EXPECTED}", result.predicted_dice.get(name)) for name in names]


def _sum_labels_up(result: Predicted, names: list[str]) -> list[tuple[str, Any]]:
    dice = [value for value in result.predicted_dice.values() if value is not None]
    return [
        ("labels found", sum(bool(volume) for volume in result.volumes_ml.values())),
        ("of", len(names)),
        ("all labels ml", sum(volume or 0.0 for volume in result.volumes_ml.values())),
        (f"lowest {EXPECTED}", min(dice, default=None)),
    ]
