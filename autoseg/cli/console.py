"""What a person sees: sentences and progress bars on stderr, tables and JSON on stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from rich.console import Console

from autoseg.cli.durations import write_duration
from autoseg.pipeline.reporting import Advance, Reporter
from autoseg.serialization import dump_json

if TYPE_CHECKING:
    from rich.table import Table

LINE_EVERY_SHARE = 0.1  # without a terminal, a line at every tenth of the work takes the place of a moving bar
LINE_EVERY_S = 300.0  # and at least so often where a tenth takes hours
LEAST_TOLD_S = 5.0  # a shorter time left is not worth a word
WIDTH_WITHOUT_TERMINAL = 160

stdout = Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL, highlight=False)
stderr = Console(stderr=True, width=None if sys.stderr.isatty() else WIDTH_WITHOUT_TERMINAL, highlight=False)


class TerminalReporter(Reporter):
    """Says sentences on stderr and follows long work with a bar, its time left, and a note.

    Work inside other work, as a look at whole cases during training, has no bar of its own.
    """

    def __init__(self) -> None:
        self._is_following = False

    def say(self, sentence: str) -> None:
        stderr.print(sentence, markup=False, soft_wrap=True)

    def warn(self, sentence: str) -> None:
        stderr.print(f"warning: {sentence}", style="yellow", markup=False, soft_wrap=True)

    @contextmanager
    def follow(self, what: str, total: float) -> Iterator[Advance]:
        if self._is_following:
            yield _say_nothing
            return
        self._is_following = True
        try:
            with _live_bar(what, total) if stderr.is_terminal else nullcontext(_line_writer(what, total)) as advance:
                yield advance
        finally:
            self._is_following = False


def _say_nothing(done: float, note: str = "") -> None:
    """Progress that nobody is shown."""


@contextmanager
def _live_bar(what: str, total: float) -> Iterator[Advance]:
    """A bar with its time left, and below it a note, cut to the width of the terminal."""
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=stderr)
    task = progress.add_task(what, total=total)
    line = Text("", no_wrap=True, overflow="ellipsis")
    with Live(Group(progress, line), console=stderr) as live:

        def advance(done: float, note: str = "") -> None:
            progress.update(task, completed=done)
            line.plain = note
            live.update(Group(progress, line) if note else progress)

        yield advance


def _line_writer(what: str, total: float) -> Advance:
    """Without a terminal: a line at every tenth, and in slow work every few minutes, with the time left."""
    shown, first = 0.0, None
    began = spoke = time.monotonic()

    def advance(done: float, note: str = "") -> None:
        nonlocal shown, first, spoke
        share, now = (done / total if total else 1.0), time.monotonic()
        first = share if first is None else first
        is_late = now - spoke >= LINE_EVERY_S
        if share >= shown + LINE_EVERY_SHARE or share >= 1 > shown or is_late:
            shown, spoke = share, now
            left = (now - began) * (1 - share) / (share - first) if share > first else 0.0
            ahead = f" {write_duration(left)} left" if left > LEAST_TOLD_S else ""
            stderr.print(f"{what}: {share:.0%}{ahead}  {note}".rstrip(), markup=False, soft_wrap=True)

    return advance


def print_json(value: Any) -> None:
    """Print plain data for a machine."""
    sys.stdout.write(dump_json(value) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    """Print rows for a person; numbers are aligned to the right."""
    stdout.print(make_table(columns, rows, title=title))


def make_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> Table:
    """Rows as `print_table` prints them."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        is_number = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(format_cell(cell) for cell in row))
    return table


def format_cell(cell: Any) -> str:
    """A cell as text: four digits for fractions, a dash for what is undefined."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return "-"
    if isinstance(cell, float):
        return f"{cell:.4f}" if abs(cell) < 10 else f"{cell:.1f}"
    return str(cell).replace("[", r"\[")
