"""`demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import AsJson, Device, parse_duration
from autoseg.cli.threads import choose_waiting


def demo(
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the dataset and all results.")
    ] = Path("autoseg_demo"),
    train_time: Annotated[
        float,
        typer.Option(
            "--train-time",
            metavar="DURATION",
            parser=parse_duration,
            help="Training time per fold; two folds are trained.",
        ),
    ] = 60.0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """See the whole engine work on a generated dataset, in under four minutes on two cores."""
    choose_waiting()
    from autoseg.pipeline.demo import run_demo

    result = run_demo(folder, train_time_s=train_time, device=device, reporter=TerminalReporter())
    if as_json:
        print_json(vars(result))
        return
    rows = [[name, dice] for name, dice in result.dice.items()]
    print_table(["label", "mean Dice"], [*rows, ["mean", result.mean_dice]], title=f"{result.n_cases} held-out cases")
    for what, path in result.files.items():
        stdout.print(f"{what:10} {path}", markup=False, soft_wrap=True)
