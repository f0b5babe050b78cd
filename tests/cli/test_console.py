"""What a person sees on a terminal and in a log."""

from __future__ import annotations

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
