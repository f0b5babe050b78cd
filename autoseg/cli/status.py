"""`status`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoseg.cli.console import make_table, print_json, stdout
from autoseg.cli.durations import write_duration
from autoseg.cli.options import AsJson, Variant, WorkspaceFolder

if TYPE_CHECKING:
    from rich.console import Group

    from autoseg.pipeline.status import FoldStatus

WATCH_EVERY_S = 3.0
MOST_LABELS = 4  # with a Dice of their own in the table; of more, the worst is named
COLUMNS = ("configuration", "fold", "state", "spent", "left", "Dice", "per label", "rate", "waiting", "GB (predicted)")


def status(
    place: Annotated[
        Path, typer.Argument(metavar="WORKSPACE", help="A workspace, or the dataset it belongs to.", show_default=False)
    ],
    workspace: WorkspaceFolder = None,
    watch: Annotated[
        bool, typer.Option("--watch", help=f"Look again every {WATCH_EVERY_S:g} seconds, until Ctrl-C.")
    ] = False,
    variant: Variant = None,
    as_json: AsJson = False,
) -> None:
    """Show how far every fold is: trained, running now, interrupted, failed or not started."""
    from autoseg.pipeline.status import find_workspace, read_status
    from autoseg.workspace import Workspace

    there = Workspace(find_workspace(workspace or place).root, variant)
    if as_json:
        print_json(read_status(there))
        return
    stdout.print(str(there.root), markup=False, soft_wrap=True)
    if watch:
        _watch(lambda: draw_status(read_status(there)))
    else:
        stdout.print(draw_status(read_status(there)))


def _watch(draw: Callable[[], Group]) -> None:
    from rich.live import Live

    with Live(draw(), console=stdout, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(WATCH_EVERY_S)
                live.update(draw(), refresh=True)
        except KeyboardInterrupt:
            return


def draw_status(folds: Sequence[FoldStatus]) -> Group:
    """A table with a row per fold, and below it the commands that start or continue what is not done."""
    from rich.console import Group
    from rich.text import Text

    if not folds:
        return Group(
            Text("No plan and no training yet. Begin with `autoseg plan DATASET`, or `autoseg train DATASET`.")
        )
    lines = [f"{name_fold(one)} failed: {one.problem}" for one in folds if one.problem]
    begun = [one for one in folds if one.command and one.state != "not started"]
    lines += [f"{_word(one)} {name_fold(one)}:\n    {one.command}" for one in begun]
    table = make_table(COLUMNS, [describe_folds(row) for row in gather_rows(folds)])
    return Group(table, *(Text(line, overflow="fold") for line in lines))


def gather_rows(folds: Sequence[FoldStatus]) -> list[list[FoldStatus]]:
    """Folds that share a row: neighbours that nobody has begun; every other has its own."""
    rows: list[list[FoldStatus]] = []
    for one in folds:
        before = rows[-1][-1] if rows else None
        is_like_it = before is not None and _is_of(before) == _is_of(one)
        if is_like_it and before is not None and before.state == one.state == "not started":
            rows[-1].append(one)
        else:
            rows.append([one])
    return rows


def _is_of(one: FoldStatus) -> tuple[str | None, str]:
    return one.variant, one.configuration


def describe_folds(row: Sequence[FoldStatus]) -> list[Any]:
    """The cells of a fold, or of several that are alike."""
    one = row[0]
    return [
        one.configuration if one.variant is None else f"{one.variant}: {one.configuration}",
        one.fold if len(row) == 1 else f"{one.fold} to {row[-1].fold}",
        _describe_state(one),
        None if one.spent_s is None else write_duration(one.spent_s),
        None if one.left_s is None else write_duration(one.left_s),
        one.mean_dice,
        _describe_labels(one),
        None if not one.iteration_s else f"{1 / one.iteration_s:.2f} it/s",
        None if one.waiting_share is None else f"{one.waiting_share:.0%}",
        _describe_memory(one),
    ]


def name_fold(one: FoldStatus) -> str:
    """Which fold of what, in words."""
    beside = "" if one.variant is None else f" ({one.variant})"
    return f"{one.configuration}{beside}, fold {one.fold}"


def _word(one: FoldStatus) -> str:
    return "Score" if one.state == "unscored" else "Continue"


def _describe_state(one: FoldStatus) -> str:
    if one.state == "running":
        share = "first epoch" if one.share is None else f"{one.share:.0%}, epoch {one.epoch}"
        return f"running: {share}"
    if one.state in ("interrupted", "failed") and one.share is not None:
        return f"{one.state} at {one.share:.0%}"
    return "trained, not scored" if one.state == "unscored" else one.state


def _describe_labels(one: FoldStatus) -> str | None:
    known = {label: dice for label, dice in one.dice.items() if dice is not None}
    if not known:
        return None
    if len(known) <= MOST_LABELS:
        shown = ", ".join(f"{label} {dice:.3f}" for label, dice in known.items())
    else:
        worst = min(known, key=lambda label: known[label])
        shown = f"worst of {len(known)}: {worst} {known[worst]:.3f}"
    return shown if one.state == "trained" else f"{shown} (patches)"


def _describe_memory(one: FoldStatus) -> str | None:
    if one.memory_gb is None:
        return None
    return f"{one.memory_gb:.2f}" if one.predicted_gb is None else f"{one.memory_gb:.2f} ({one.predicted_gb:.2f})"
