"""`export` and `install`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autoseg.pipeline.project import Project
from tests.cli.conftest import Run
from tests.sharing import conftest as models

untrained = models.untrained


def test_from_a_workspace_to_another(
    untrained: Project, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, folder = tmp_path / "m.zip", tmp_path / "installed"
    assert run("export", untrained.workspace.root, archive, "--licence", "CC0-1.0", "--json") == 0
    manifest = json.loads(capsys.readouterr().out)["manifest"]
    assert manifest["licence"] == "CC0-1.0"
    assert run("install", archive, "-o", folder) == 0
    shown = capsys.readouterr().out
    assert f"{folder}: installed: model {manifest['model']} of Phantom." in shown
    assert f"Predict with: autoseg predict-ensemble {folder} -i IMAGES -o PREDICTIONS" in shown
    assert run("install", archive, "-o", folder) == 0
    assert "already installed" in capsys.readouterr().out


def test_a_limit_is_raised_by_its_option(
    untrained: Project, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", untrained.workspace.root, tmp_path / "m.zip") == 0
    assert run("install", tmp_path / "m.zip", "-o", tmp_path / "a", "--max-members", 2) == 2
    assert "allow more: --max-members 13" in capsys.readouterr().err
    assert run("install", tmp_path / "m.zip", "-o", tmp_path / "a", "--max-members", 13) == 0


def test_a_mistake_is_one_line(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.zip").write_bytes(b"no zip")
    assert run("install", tmp_path / "m.zip") == 2
    shown = capsys.readouterr().err.strip()
    assert shown.startswith(f"error: {tmp_path / 'm.zip'}: is no zip archive")
    assert "\n" not in shown
