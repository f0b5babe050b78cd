"""The `autoseg` command: its sub-commands in the order of the method, and how errors end."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from autoseg.cli import (
    benchmarking,
    comparing,
    demonstrating,
    describing,
    importing,
    planning,
    predicting,
    preparing,
    probing,
    sharing,
    splitting,
    status,
    training,
)
from autoseg.cli.console import stderr
from autoseg.errors import AutosegError

INTERRUPTED = 130  # what typer makes of a KeyboardInterrupt

app = typer.Typer(
    name="autoseg",
    help="Self-configuring segmentation: from a folder of images to an ensemble's segmentations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demonstrating.demo)
app.command("check")(preparing.check)
app.command("fingerprint")(preparing.fingerprint)
app.command("probe")(probing.probe)
app.command("plan")(planning.plan)
app.command("explain")(describing.explain)
app.command("schema")(describing.schema)
app.command("split")(splitting.split)
app.command("preprocess")(preparing.preprocess)
app.command("train")(training.train)
app.command("status")(status.status)
app.command("select")(training.select)
app.command("predict-ensemble")(predicting.predict_ensemble)
app.command("export")(sharing.export)
app.command("install")(sharing.install)
app.command("import-nnunet")(importing.import_nnunet)
app.command("evaluate")(comparing.evaluate)
app.command("benchmark")(benchmarking.benchmark)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from autoseg import __version__

        typer.echo(f"autoseg {__version__}")
        raise typer.Exit


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """A polite request to end is treated like Ctrl-C: training saves where it is."""
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line: exit code 2 and one clear line for a person's mistake, 1 for a failure of ours."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(prog_name="autoseg")
    except AutosegError as problem:
        stderr.print(f"error: {problem}", style="red", markup=False, soft_wrap=True)
        sys.exit(problem.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            stderr.print("Interrupted. Nothing is half written; the same command continues.", markup=False)
        raise
