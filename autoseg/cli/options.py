"""The options that several commands share, each with its help, unit and default, written once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from autoseg.errors import UsageError

UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
AUTO = "auto"
LEAST_MEMORY_GB = 0.5


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


def parse_extension(text: str) -> dict[str, float | int]:
    """What `--extend` adds, as fields of a length: `2h` in seconds, `5000it` in iterations.

    Raises:
        UsageError: the text is neither.
    """
    iterations = re.fullmatch(r"(\d+)\s*it(?:erations)?", text.strip().lower())
    if iterations is not None and int(iterations[1]) > 0:
        return {"n_iterations": int(iterations[1])}
    try:
        return {"train_time_s": parse_duration(text)}
    except typer.BadParameter:
        raise UsageError(f"--extend {text}: expected a duration, for example 30m or 2h, or 5000it.") from None


def parse_memory(text: str | None) -> float | None:
    """GB of `8`, `24` or `11.5gb`; None for `auto` and for nothing, which ask the device.

    Raises:
        UsageError: the text is no amount of memory, or less than any training needs.
    """
    if text is None or text.strip().lower() == AUTO:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:gb)?", text.strip().lower())
    if match is None or float(match[1]) < LEAST_MEMORY_GB:
        raise UsageError(f"--gpu-memory {text}: expected auto, or GB from {LEAST_MEMORY_GB:g} on, for example 8 or 24.")
    return float(match[1])


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
Variant = Annotated[
    str | None,
    typer.Option(
        "--variant",
        metavar="NAME",
        help="A plan beside the first one, for another device: <workspace>/variants/NAME/.",
        show_default=False,
    ),
]
GpuMemory = Annotated[
    str | None,
    typer.Option(
        "--gpu-memory",
        metavar="GB",
        help="Memory that training may use, in GB, or auto for what the device has. [default: auto]",
        show_default=False,
    ),
]
GpuMemories = Annotated[
    list[str] | None,
    typer.Option(
        "--gpu-memory",
        metavar="GB",
        help="Memory that training may use, in GB, or auto for what the device has. Repeat it to plan for several "
        "GPUs: each plan is a variant, named 8gb, 24gb, ... [default: auto]",
        show_default=False,
    ),
]
Rules = Annotated[
    str | None,
    typer.Option(
        "--rules",
        metavar="NAME",
        help="autoseg, or nnunet for exactly what nnU-Net 2.8 would plan. [default: autoseg]",
        show_default=False,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="NAME",
        help="m, l or xl: a published preset of the residual encoder, which stands for a memory (8, 24, 40 GB).",
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
        help="residual or plain: the encoder of the U-Net; a network of `autoseg explain --options network`, as vnet "
        "or fpn@resnet50; or package.module:Name, a network of your own. "
        "[default: residual on a GPU, plain on a CPU]",
        show_default=False,
    ),
]
AugmentationPreset = Annotated[
    str | None,
    typer.Option(
        "--augmentation",
        metavar="NAME",
        help="off, light, default or strong: how much training patches are changed. [default: default, as published]",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")]
Configurations = Annotated[
    list[str] | None,
    typer.Option(
        "--configuration",
        metavar="NAME",
        help="2d, 3d_fullres, 3d_lowres or 3d_cascade; repeat it for several. By default train takes the plan's first "
        "choice, preprocess all, predict-ensemble the selected ones.",
        show_default=False,
    ),
]
Folds = Annotated[
    list[str] | None,
    typer.Option(
        "--fold",
        metavar="K",
        help="0, 1, ...; repeat it for several. `all` is one model of all cases, without validation. By default train "
        "takes every fold of the cross-validation, benchmark fold 0, predict-ensemble every trained fold.",
        show_default=False,
    ),
]
