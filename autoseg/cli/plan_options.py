"""The options of `plan` alone, and which of them go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from autoseg.cli.options import AUTO, parse_memory
from autoseg.errors import UsageError

BUDGET = ("--gpu-memory", "--train-time", "--epochs", "--network", "--size", "--rules", "--augmentation", "--device")
EDITING = ("--from", "--set")
# What each way to use the command can be given beside it; --json goes with all of them.
GOES_WITH: Mapping[str, tuple[str, ...]] = {
    "--check": ("--fingerprint",),
    "--diff": (),
    "--fingerprint": (*BUDGET, *EDITING, "--output"),
    "DATASET": (*BUDGET, *EDITING, "--workspace", "--variant", "--fresh"),
}

PlannedDataset = Annotated[
    Path | None,
    typer.Argument(metavar="[DATASET]", help="Folder of a dataset, as for the other commands.", show_default=False),
]
PlannedDevice = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NAME",
        help="auto, cpu, cuda or mps. [default: auto; with --fingerprint, or with --gpu-memory given twice, nothing is "
        "measured and the plan is for a GPU of that memory, 8 GB if none is said]",
        show_default=False,
    ),
]
Start = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="PLAN",
        help="Keep what was set by hand in this plan file, and derive the rest anew.",
        show_default=False,
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a value by hand and derive the rest from it, e.g. 3d_fullres.patch_size=[32,48,48] or "
        "3d_fullres.optimizer.learning_rate=0.005; repeat it for several.",
        show_default=False,
    ),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Forget what the plan that stands was asked for, and what was set by hand in it."),
]
CheckedPlan = Annotated[
    Path | None,
    typer.Option(
        "--check",
        metavar="PLAN",
        help="Name every problem of a plan file, with its line and a remedy, and give advice; a problem is exit code "
        "2. With --fingerprint, or a fingerprint.json beside the plan, the rules are asked again.",
        show_default=False,
    ),
]
ComparedPlans = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        "--diff", metavar="A B", help="What differs between two plan files, why, and its cost.", show_default=False
    ),
]
FingerprintFile = Annotated[
    Path | None,
    typer.Option(
        "--fingerprint",
        metavar="FILE",
        help="Plan from a fingerprint alone, without any image; nothing is written but --output.",
        show_default=False,
    ),
]
PlanOutput = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="PLAN", help="Write the plan of --fingerprint to this file.", show_default=False
    ),
]


def list_given(context: typer.Context) -> tuple[str, ...]:
    """What was given on the command line: `DATASET`, and options by their long names."""
    return tuple(
        max(parameter.opts, key=len) if parameter.param_type_name == "option" else "DATASET"
        for parameter in context.command.params
        if parameter.name and _is_given(context, parameter.name)
    )


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_nonsense(given: Sequence[str]) -> None:
    """Raise UsageError for options that do not go together, or where nothing says what to plan."""
    way = next((name for name in GOES_WITH if name in given), None)
    if way is None:
        raise UsageError("Plan what? Give a DATASET, or --fingerprint FILE, --check PLAN, or --diff A B.")
    for name in given:
        if name not in (way, "--json") and name not in GOES_WITH[way]:
            known = ", ".join((*GOES_WITH[way], "--json"))
            raise UsageError(f"{name} does not go with {way}, which takes {known}. Leave one of the two out.")


def parse_memories(words: list[str]) -> tuple[float, ...]:
    """GB of each device to plan for; none for `auto`. Raises UsageError for what is no memory, or one said twice."""
    if len(words) > 1 and AUTO in words:
        raise UsageError("--gpu-memory auto asks the one device there is. Give GB where you plan for several.")
    memories = tuple(memory for memory in map(parse_memory, words) if memory is not None)
    if len(set(memories)) < len(memories):
        raise UsageError(f"--gpu-memory: one of {', '.join(words)} is given twice.")
    return memories
