"""What plans/README.md says of the format is what the schema says, and its worked edits work."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoseg.cli.app import app
from autoseg.planning.plan import Budget, Configuration, Cost, Plan
from autoseg.planning.plan_file import read_plan

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "plans" / "README.md").read_text(encoding="utf-8")
GROUPS = {"budget": Budget, "cost": Cost}


def list_keys(heading: str) -> set[str]:
    """First cells of the table behind a heading, several keys in one cell apart."""
    table = README.split(heading)[1].split("\n\n", 2)[1]
    return {key for row in table.splitlines()[2:] for key in re.findall(r"`([\w.]+)`", row.split("|")[1])}


def test_every_key_of_a_plan_is_explained_and_no_other() -> None:
    nested = {f"{name}.{key}" for name, kind in GROUPS.items() for key in kind.model_fields}
    assert list_keys("For the whole dataset:") == (set(Plan.model_fields) - set(GROUPS)) | nested


def test_every_key_of_a_configuration_is_explained_and_no_other() -> None:
    assert list_keys("For each configuration:") == set(Configuration.model_fields)


@pytest.mark.parametrize("name", ["acdc", "prostate"])
def test_a_worked_edit_works(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = next(line for line in README.splitlines() if line.endswith(f"--output {name}.yaml"))
    monkeypatch.chdir(ROOT)
    words = [str(tmp_path / word) if word == f"{name}.yaml" else word for word in shlex.split(command)[1:]]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    edited, shipped = read_plan(tmp_path / f"{name}.yaml"), read_plan(ROOT / "plans" / f"{find_shipped(name)}.yaml")
    assert set(edited.pinned) == {"acdc": {"3d_fullres.patch_size"}, "prostate": PROSTATE_PINS}[name]
    before, after = (plan.configurations["3d_fullres"] for plan in (shipped, edited))
    changed = {key for key in Configuration.model_fields if getattr(after, key) != getattr(before, key)}
    assert "patch_size" in changed
    assert len(changed) > len(edited.pinned)
    assert after.memory_gb.value <= 8.0


def test_the_worked_training_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = next(line for line in README.splitlines() if line.endswith("--output recipe.yaml"))
    monkeypatch.chdir(ROOT)
    words = [str(tmp_path / word) if word == "recipe.yaml" else word for word in shlex.split(command)[1:]]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    plan = read_plan(tmp_path / "recipe.yaml")
    assert set(plan.pinned) == {f"3d_fullres.{key}" for key in ("loss", "dropout", "patch_schedule")}
    assert plan.configurations["3d_fullres"].loss.value.parameters == {"focal": {"gamma": 3}}
    assert plan.wishes.augmentation == "light"


PROSTATE_PINS = {"3d_fullres.spacing_mm", "3d_fullres.loss"}


def find_shipped(name: str) -> str:
    return name if (ROOT / "plans" / f"{name}.yaml").is_file() else f"msd_{name}"
