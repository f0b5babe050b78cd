"""The command line as a person meets it: help, results on stdout, progress on stderr, one clear line for a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from autoseg.cli.options import parse_duration
from autoseg.pipeline.demo import DemoResult
from autoseg.pipeline.project import Project
from autoseg.planning.plan import Plan

Run = Callable[..., int]

COMMANDS = (
    *("demo", "check", "fingerprint", "probe", "plan", "explain", "schema", "preprocess"),
    *("train", "select", "predict-ensemble", "evaluate", "benchmark"),
)


def test_help_lists_the_commands_in_the_order_of_the_method() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "autoseg", "--help"], capture_output=True, text=True, check=True
    ).stdout
    places = [shown.index(f"\n  {command} ") for command in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert "Usage: autoseg" in capsys.readouterr().out


def test_planning_loads_no_torch(phantom: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from autoseg.cli import main\n"
        f"sys.argv = ['autoseg', 'plan', {str(phantom)!r}, '--workspace', {str(tmp_path)!r}]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.splitlines()[-1] == "False"
    assert (tmp_path / "plan.yaml").is_file()


def test_the_plan_as_json_is_a_plan(
    trained: Project, phantom: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("explain", phantom, "3d_fullres.patch_size", "--json", "--workspace", trained.workspace.root) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["value"] == [*shown["value"]]
    assert shown["reason"]


def test_plan_writes_a_file_and_prints_json(
    phantom: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", phantom, "--train-time", "5m", "--json", "--workspace", tmp_path) == 0
    shown = capsys.readouterr()
    assert Plan.model_validate(json.loads(shown.out)).budget.train_time_s.value == 300
    assert shown.err.startswith(f"Workspace: {tmp_path}")
    assert (tmp_path / "plan.yaml").is_file()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["explain", "{phantom}", "3d_fullres.ptch_size"], "Did you mean 3d_fullres.patch_size?"),
        (["train", "{phantom}", "--fold", "7"], "--fold 7: the splits have folds 0 to 4"),
        (
            ["train", "{phantom}", "--configuration", "3d_cascade_fullres"],
            "no configuration 3d_cascade_fullres.",
        ),
        (["train", "{phantom}", "--train-time", "5m", "--epochs", "3"], "each set the length of training"),
        (
            ["benchmark", "{phantom}", "--methods", "unet,residual_unit", "--iterations", "9"],
            "Did you mean residual_unet?",
        ),
        (["plan", "{phantom}/nowhere"], "there is no such folder"),
    ],
)
def test_a_mistake_ends_in_one_clear_line(
    words: list[str],
    line: str,
    trained: Project,
    phantom: Path,
    run: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [word.format(phantom=phantom) for word in words]
    assert run(*filled, "--workspace", trained.workspace.root) == 2
    errors = [row for row in capsys.readouterr().err.splitlines() if row.startswith("error:")]
    assert len(errors) == 1
    assert line in errors[0]


def test_the_demo_runs_without_an_option(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {}

    def run_demo(folder: Path, **options: object) -> DemoResult:
        asked.update(options)
        return DemoResult(n_cases=4, dice={"organ": 0.9}, mean_dice=0.9, files={"plan": folder / "plan.yaml"})

    monkeypatch.setattr("autoseg.pipeline.demo.run_demo", run_demo)
    assert run("demo") == 0
    assert asked["train_time_s"] > 0
    assert "0.9000" in capsys.readouterr().out


def test_check_exits_with_2_for_an_error(
    phantom: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", phantom) == 0
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    assert run("check", tmp_path) == 2
    assert "error" in capsys.readouterr().err


def test_predict_and_evaluate_a_held_out_case(
    trained: Project, phantom: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("predict-ensemble", trained.workspace.root, "-i", phantom / "imagesTs", "-o", tmp_path) == 0
    capsys.readouterr()
    assert run("evaluate", phantom / "labelsTs", tmp_path, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n_cases"] == 1
    assert set(report["summary"]) == set(trained.dataset.labels.names[1:])


def test_a_missing_prediction_is_a_miss(
    phantom: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert run("evaluate", phantom / "labelsTs", tmp_path / "empty", "--json") == 0
    assert json.loads(capsys.readouterr().out)["mean_dice"] == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("0.5h", 1800), ("2d", 172800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["10", "m", "10 parsecs", "0s", "-5m"])
def test_what_is_no_duration_says_how_to_write_one(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_duration(text)
