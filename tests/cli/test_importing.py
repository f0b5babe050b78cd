"""`autoseg import-nnunet`: a table for a person, JSON for a machine, one line for a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.importing.conftest import make_plans, make_settings, write_folder


def test_folds_are_listed(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path, make_plans({"2d": make_settings(2)}), "2d", folds=("0", "3"))
    assert run("import-nnunet", folder, "-o", tmp_path / "model") == 0
    assert "0, 3" in capsys.readouterr().out


def test_json_says_what_predicts(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path, make_plans({"2d": make_settings(2)}), "2d")
    assert run("import-nnunet", folder, "-o", tmp_path / "model", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["folds"] == {"2d": [0]}
    assert shown["selection"]["configurations"]["value"] == ["2d"]


def test_a_mistake_is_one_line(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import-nnunet", tmp_path, "-o", tmp_path / "model") == 2
    assert "holds no trained model of nnU-Net v2" in capsys.readouterr().err
