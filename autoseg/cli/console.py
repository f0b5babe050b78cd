"""What a person sees: sentences and progress bars on stderr, tables and JSON on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from autoseg.pipeline.reporting import Advance, Reporter
from autoseg.serialization import dump_json

LINE_EVERY_SHARE = 0.1  # without a terminal, a line at every tenth of the work takes the place of a moving bar
WIDTH_WITHOUT_TERMINAL = 160

stdout = Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL, highlight=False)
stderr = Console(stderr=True, width=None if sys.stderr.isatty() else WIDTH_WITHOUT_TERMINAL, highlight=False)


class TerminalReporter(Reporter):
    """Says sentences on stderr and follows long work with a bar, its time left, and a note."""

    def say(self, sentence: str) -> None:
        stderr.print(sentence, markup=False, soft_wrap=True)

    def warn(self, sentence: str) -> None:
        stderr.print(f"warning: {sentence}", style="yellow", markup=False, soft_wrap=True)

    @contextmanager
    def follow(self, what: str, total: float) -> Iterator[Advance]:
        if not stderr.is_terminal:
            yield _line_writer(what, total)
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=stderr) as progress:
            task = progress.add_task(what, total=total, note="")

            def advance(done: float, note: str = "") -> None:
                progress.update(task, completed=done, note=note)

            yield advance


def _line_writer(what: str, total: float) -> Advance:
    shown = 0.0

    def advance(done: float, note: str = "") -> None:
        nonlocal shown
        share = done / total if total else 1.0
        if share >= shown + LINE_EVERY_SHARE or share >= 1 > shown:
            shown = share
            stderr.print(f"{what}: {share:.0%}  {note}".rstrip(), markup=False, soft_wrap=True)

    return advance


def print_json(value: Any) -> None:
    """Print plain data for a machine."""
    sys.stdout.write(dump_json(value) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    """Print rows for a person; numbers are aligned to the right."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        is_number = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(format_cell(cell) for cell in row))
    stdout.print(table)


def format_cell(cell: Any) -> str:
    """A cell as text: four digits for fractions, a dash for what is undefined."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return "-"
    if isinstance(cell, float):
        return f"{cell:.4f}" if abs(cell) < 10 else f"{cell:.1f}"
    return str(cell).replace("[", r"\[")
