"""The options that several commands share, each with its help, unit and default, written once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str | float) -> float:
    """Seconds of `90s`, `10m`, `1h30m` or `2d`; a number, as defaults are, is seconds already.

    Raises:
        typer.BadParameter: the text is no duration.
    """
    if not isinstance(text, str):
        return float(text)
    text = text.strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise typer.BadParameter(f"{text} is not a duration. Write for example 90s, 10m, 1h30m or 2d.")
    seconds = sum(float(number) * UNITS_S[unit] for number, unit in parts)
    if seconds <= 0:
        raise typer.BadParameter(f"{text}: a duration is longer than zero.")
    return seconds


DatasetFolder = Annotated[
    Path,
    typer.Argument(
        metavar="DATASET",
        help="Folder of a dataset: nnU-Net v2 (dataset.json, imagesTr, labelsTr), Medical Segmentation Decathlon, or "
        "plain images/ + labels/.",
        show_default=False,
    ),
]
WorkspaceFolder = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="DIR",
        help="Folder for everything that autoseg writes. [default: autoseg_workspace/<dataset name>]",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
GpuMemory = Annotated[
    float | None,
    typer.Option(
        "--gpu-memory",
        metavar="GB",
        min=0.5,
        help="Memory that training may use, in GB. [default: what the device has]",
        show_default=False,
    ),
]
TrainTime = Annotated[
    float | None,
    typer.Option(
        "--train-time",
        metavar="DURATION",
        parser=parse_duration,
        help="Wall-clock time of training per fold, e.g. 30m or 2h; the schedule is fitted to it. "
        "[default: 1000 epochs on a GPU, 1h on a CPU]",
        show_default=False,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs", metavar="N", min=1, help="Epochs of 250 iterations, instead of --train-time.", show_default=False
    ),
]
Network = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="NAME",
        help="unet or residual_unet. [default: residual_unet on a GPU, unet on a CPU]",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")]
Configurations = Annotated[
    list[str] | None,
    typer.Option(
        "--configuration",
        metavar="NAME",
        help="2d or 3d_fullres; repeat it for several. By default train takes the plan's first choice, preprocess all, "
        "predict-ensemble the selected ones.",
        show_default=False,
    ),
]
Folds = Annotated[
    list[str] | None,
    typer.Option(
        "--fold",
        metavar="K",
        help="0, 1, ...; repeat it for several, or `all`. By default train takes every fold, benchmark fold 0, "
        "predict-ensemble every trained one.",
        show_default=False,
    ),
]
