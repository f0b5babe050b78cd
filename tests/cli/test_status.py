"""What `autoseg status` prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autoseg.cli.durations import write_duration
from autoseg.cli.status import describe_folds, draw_status, gather_rows
from autoseg.pipeline.status import FoldStatus
from autoseg.serialization import write_yaml
from tests.cli.conftest import Run

NOTHING = FoldStatus(
    configuration="3d_fullres",
    fold="0",
    variant=None,
    state="not started",
    share=None,
    epoch=0,
    iteration=0,
    dice={},
    mean_dice=None,
    iteration_s=None,
    waiting_share=None,
    memory_gb=None,
    predicted_gb=1.5,
    spent_s=None,
    left_s=None,
    silent_s=None,
    problem=None,
    command="autoseg train LIVERS --fold 0",
    folder=Path("fold_0"),
)
RUNNING = NOTHING.model_copy(
    update={
        "state": "running",
        "share": 0.25,
        "epoch": 3,
        "dice": {"liver": 0.9, "tumour": None},
        "mean_dice": 0.9,
        "iteration_s": 0.5,
        "waiting_share": 0.031,
        "memory_gb": 1.25,
        "spent_s": 600.0,
        "left_s": 12000.0,
        "command": None,
    }
)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    write_yaml(tmp_path / "plan.yaml", {"configurations": {"2d": {}, "3d_fullres": {}}, "n_folds": 5})
    return tmp_path


def test_running_fold_in_a_row() -> None:
    cells = describe_folds([RUNNING])
    assert cells[:5] == ["3d_fullres", "0", "running: 25%, epoch 3", "10 min", "3 h 20 min"]
    assert cells[5:] == [0.9, "liver 0.900 (patches)", "2.00 it/s", "3%", "1.25 (1.50)"]


def test_of_many_labels_the_worst_is_shown() -> None:
    many = RUNNING.model_copy(update={"state": "trained", "dice": {f"organ {n}": n / 100 for n in range(1, 91)}})
    assert describe_folds([many])[6] == "worst of 90: organ 1 0.010"


def test_folds_that_nobody_began_share_a_row() -> None:
    rest = [NOTHING.model_copy(update={"fold": str(fold)}) for fold in (1, 2)]
    other = NOTHING.model_copy(update={"configuration": "2d"})
    rows = gather_rows([RUNNING, *rest, other])
    assert [[one.fold for one in row] for row in rows] == [["0"], ["1", "2"], ["0"]]
    assert describe_folds(rows[1])[1] == "1 to 2"


def test_interrupted_and_failed_folds_come_with_their_command(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    update = {"state": "failed", "problem": "The loss is nan.", "share": 0.5}
    Console(width=200).print(draw_status([NOTHING.model_copy(update=update), RUNNING]))
    shown = capsys.readouterr().out
    assert "3d_fullres, fold 0 failed: The loss is nan." in shown
    assert shown.count("autoseg train LIVERS --fold 0") == 1


def test_workspace_in_words_and_as_json(workspace: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", workspace) == 0
    assert capsys.readouterr().out.count("0 to 4") == 2
    assert run("status", workspace, "--json") == 0
    folds = json.loads(capsys.readouterr().out)
    assert len(folds) == 10
    assert {fold["state"] for fold in folds} == {"not started"}


def test_folder_that_is_no_workspace_is_one_clear_line(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("status", tmp_path / "nowhere") == 2
    assert "is no workspace of autoseg" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (90, "90 s"), (720, "12 min"), (5940, "99 min"), (11100, "3 h 05 min")]
)
def test_durations_are_for_people(seconds: float, words: str) -> None:
    assert write_duration(seconds) == words
