"""`autoseg split`: a table for a person, JSON for a machine, and one line for a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autoseg.serialization import write_json
from tests.cli.conftest import Run


def test_folds_are_shown_with_their_reason(
    phantom: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("split", phantom, "--workspace", tmp_path) == 0
    shown = capsys.readouterr().out
    assert "with lesion" in shown
    assert "Splits: 5 folds of 6 shuffled cases (seed 12345)." in shown
    assert (tmp_path / "splits.json").is_file()


def test_json_holds_splits_and_facts(
    phantom: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = "(phantom_00[1-3]|phantom_00)"
    assert run("split", phantom, "--group-pattern", pattern, "--json", "--workspace", tmp_path) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["splits"]["grouping"]["pattern"] == pattern
    assert sum(fact["cases"][1] for fact in shown["facts"]) == 6
    assert [len(fold["validation"]) for fold in shown["splits"]["folds"]] == [
        fact["cases"][1] for fact in shown["facts"]
    ]


def test_splits_of_nnunet_are_taken_over(
    phantom: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [f"phantom_00{i}" for i in range(1, 7)]
    write_json(tmp_path / "splits_final.json", [{"train": ids[:4], "val": ids[4:]}])
    assert run("split", phantom, "--from", tmp_path / "splits_final.json", "--workspace", tmp_path) == 0
    shown = capsys.readouterr()
    assert "Splits: made by hand: splits_final.json." in shown.out
    assert "no fold validates phantom_001, phantom_002, phantom_003, phantom_004" in shown.out
    assert run("split", phantom, "--from", tmp_path / "x", "--group-pattern", "(.)", "--workspace", tmp_path) == 2
    assert "Use one of them." in capsys.readouterr().err
