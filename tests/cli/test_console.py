"""What a person sees on a terminal and in a log."""

from __future__ import annotations

import io
import math

import pytest

from autoseg.cli import console
from autoseg.cli.console import TerminalReporter, format_cell, print_json, print_table


@pytest.mark.parametrize(
    ("cell", "text"),
    [(0.12345, "0.1235"), (123.456, "123.5"), (None, "-"), (math.nan, "-"), (7, "7"), ("[4, 5]", r"\[4, 5]")],
)
def test_cells(cell: object, text: str) -> None:
    assert format_cell(cell) == text


def test_tables_show_brackets_as_they_are(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "stdout", console.Console(width=80))
    print_table(["patch", "Dice"], [["[40, 56, 40]", 0.5]])
    assert "[40, 56, 40]" in capsys.readouterr().out


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"dice": math.nan})
    assert '"dice": null' in capsys.readouterr().out


def test_without_a_terminal_progress_is_a_line_per_tenth(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "stderr", console.Console(stderr=True, force_terminal=False, width=80))
    with TerminalReporter().follow("Working", 100) as advance:
        for done in range(1, 101):
            advance(done, "note")
    lines = capsys.readouterr().err.splitlines()
    assert 8 <= len(lines) <= 11
    assert lines[-1] == "Working: 100%  note"


def test_without_a_terminal_slow_work_is_heard_of_in_between(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 0.0, 200.0, 400.0])
    monkeypatch.setattr(console, "stderr", console.Console(stderr=True, force_terminal=False, width=80))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    with TerminalReporter().follow("Working", 100) as advance:
        for done in (0, 1, 2):
            advance(done)
    assert capsys.readouterr().err == "Working: 2% 5 h 27 min left\n"


def test_on_a_terminal_the_note_stands_below_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = console.Console(force_terminal=True, width=60, file=io.StringIO(), legacy_windows=False)
    monkeypatch.setattr(console, "stderr", screen)
    with TerminalReporter().follow("Training [fold 0]", 1.0) as advance:
        advance(0.5, "x" * 200)
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "Training [fold 0]" in shown
    assert "x" * 59 + "…" in shown  # cut to the width
    assert "x" * 60 not in shown


@pytest.mark.parametrize("is_terminal", [True, False])
def test_work_inside_other_work_has_no_bar(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = console.Console(force_terminal=is_terminal, width=60, file=io.StringIO())
    monkeypatch.setattr(console, "stderr", screen)
    reporter = TerminalReporter()
    with reporter.follow("Training", 1.0) as advance:
        with reporter.follow("Looking at whole cases", 1.0) as look:
            look(1.0)
        advance(1.0)
    with reporter.follow("Predicting", 1.0) as predict:
        predict(1.0)
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "Looking" not in shown
    assert "Training" in shown
    assert "Predicting" in shown
