"""`probe`: how fast does this device train?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table
from autoseg.cli.options import AsJson, Device
from autoseg.cli.threads import choose_waiting


def probe(
    device: Device = "auto",
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            metavar="DIR",
            help="Folder that gets device.json: one workspace, or the folder around several. "
            "[default: autoseg_workspace]",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how fast this device trains, in seconds, so that plans predict time and spend it well."""
    choose_waiting()
    from autoseg.pipeline.probing import probe_device
    from autoseg.workspace import DEFAULT_ROOT

    facts = probe_device(device, folder=workspace or DEFAULT_ROOT, reporter=TerminalReporter())
    if as_json:
        print_json(facts)
        return
    rows = [[name, f"{speed.gflops:.3g}", f"{speed.gvalues:.3g}"] for name, speed in facts.speeds.items()]
    print_table(["training", "GFLOP/s", "billion values/s"], rows)
