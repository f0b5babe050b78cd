"""What a workspace says of its folds, read while they are trained, killed, or done."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from filelock import FileLock
from safetensors.numpy import save_file

from autoseg.errors import UsageError, WorkspaceError
from autoseg.pipeline.status import FoldStatus, find_workspace, is_running, read_status
from autoseg.serialization import dump_json, write_json, write_text, write_yaml
from autoseg.training.history import Epoch, append_epoch
from autoseg.workspace import FAILURE, Run, Workspace

PLANNED = {"train_time_s": 600.0, "n_iterations": None, "iterations_per_epoch": None}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two folds of one configuration are planned; one value is as a person writes it."""
    place = Workspace(tmp_path / "workspace")
    settings = {"memory_gb": {"value": 1.5, "reason": "for a test"}, "length": PLANNED}
    write_yaml(place.plan, {"configurations": {"3d_fullres": settings}, "n_folds": {"value": 2, "reason": "a test"}})
    write_json(place.dataset, {"listing": "0", "dataset": {"folder": "/data/My Livers"}})
    return place


def make_epoch(number: int, n_epochs: int = 4) -> Epoch:
    return Epoch(
        epoch=number,
        iteration=10 * number,
        spent_s=20.0 * number,
        share=number / n_epochs,
        learning_rate=0.01,
        loss=1.0,
        terms={},
        validation_dice={"liver": 0.8, "tumour": None},
        iteration_s=0.5,
        waiting_share=0.03,
        memory_gb=1.0 + 0.1 * number,
    )


def train_partly(run: Run, n_epochs: int = 1) -> None:
    for number in range(1, n_epochs + 1):
        append_epoch(run.history, make_epoch(number))
    save_state(run, is_finished=False)


def save_state(run: Run, *, is_finished: bool, length: object = PLANNED) -> None:
    content = {"base_length": length, "length": length, "position": {"is_finished": is_finished}}
    save_file({}, run.resume, metadata={"autoseg": dump_json(content)})


def finish(run: Run) -> None:
    train_partly(run, 4)
    save_state(run, is_finished=True)
    run.checkpoint.write_bytes(b"weights")


def hold(lock: Path, held: Event) -> None:
    with FileLock(lock):
        held.set()
        time.sleep(60)


@contextmanager
def held_by_another_process(lock: Path) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=hold, args=(lock, held), daemon=True)
    holder.start()
    assert held.wait(60)
    yield
    holder.kill()
    holder.join()


def read(workspace: Workspace, fold: str = "0") -> FoldStatus:
    (status,) = (one for one in read_status(workspace) if one.fold == fold)
    return status


def test_nothing_has_begun(workspace: Workspace) -> None:
    first, second = read_status(workspace)
    assert (first.state, second.fold, first.share, first.predicted_gb) == ("not started", "1", None, 1.5)
    where = f"--configuration 3d_fullres --fold 0 --workspace {workspace.root}"
    assert first.command == f"autoseg train '/data/My Livers' {where}"


def test_interrupted_fold_says_how_far_it_came_and_what_is_left(workspace: Workspace) -> None:
    train_partly(workspace.run("3d_fullres", 0))
    status = read(workspace)
    assert (status.state, status.share, status.epoch, status.iteration) == ("interrupted", 0.25, 1, 10)
    assert status.left_s == pytest.approx(60.0)  # 20 s bought a quarter
    assert (status.mean_dice, status.dice["tumour"], status.memory_gb) == (0.8, None, 1.1)


def test_running_fold_is_told_by_its_lock_and_keeps_it(workspace: Workspace) -> None:
    run = workspace.run("3d_fullres", 0)
    train_partly(run)
    with held_by_another_process(run.lock):
        assert read(workspace).state == "running"
        assert read(workspace).command is None
        assert is_running(run.lock)  # asking twice has not let it go
    assert read(workspace).state == "interrupted"


def test_asking_makes_no_lock(workspace: Workspace) -> None:
    read_status(workspace)
    assert not workspace.runs.exists()


def test_half_written_line_is_not_there_yet(workspace: Workspace) -> None:
    run = workspace.run("3d_fullres", 0)
    train_partly(run, 2)
    with run.history.open("a", encoding="utf-8") as stream:
        stream.write(dump_json(make_epoch(3), indent=None)[:40])
    assert read(workspace).epoch == 2


def test_trained_fold_shows_the_dice_of_whole_cases(workspace: Workspace) -> None:
    run = workspace.run("3d_fullres", 0)
    finish(run)
    assert (read(workspace).state, read(workspace).mean_dice) == ("unscored", 0.8)
    write_json(run.report, {"mean_dice": 0.7, "summary": {"liver": {"dice": {"mean": 0.7}}}})
    status = read(workspace)
    assert (status.state, status.mean_dice, status.dice, status.command) == ("trained", 0.7, {"liver": 0.7}, None)


def test_fold_all_has_nothing_to_score(workspace: Workspace) -> None:
    finish(workspace.run("3d_fullres", "all"))
    assert read(workspace, "all").state == "trained"


def test_interrupted_extension_is_interrupted(workspace: Workspace) -> None:
    run = workspace.run("3d_fullres", 0)
    finish(run)
    save_state(run, is_finished=False)
    assert read(workspace).state == "interrupted"


def test_failed_fold_says_why(workspace: Workspace) -> None:
    run = workspace.run("3d_fullres", 0)
    train_partly(run)
    write_text(run.root / FAILURE, "The loss is nan.\n")
    assert (read(workspace).state, read(workspace).problem) == ("failed", "The loss is nan.")


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (PLANNED, ""),
        ({**PLANNED, "train_time_s": 90.0}, " --train-time 90s"),
        ({"train_time_s": None, "n_iterations": 500, "iterations_per_epoch": 250}, " --iterations 500"),
    ],
)
def test_command_asks_for_the_length_that_was_begun(workspace: Workspace, length: object, words: str) -> None:
    run = workspace.run("3d_fullres", 0)
    train_partly(run)
    save_state(run, is_finished=False, length=length)
    command = read(workspace).command
    assert command is not None
    assert command.endswith(f"--workspace {workspace.root}{words}")


def test_runs_moved_aside_are_nobodys(workspace: Workspace) -> None:
    train_partly(Run(workspace.trained("3d_fullres") / "fold_0.old1"))
    assert [one.fold for one in read_status(workspace)] == ["0", "1"]


def test_variants_and_benchmarks_are_shown_beside(workspace: Workspace) -> None:
    other = Workspace(workspace.root, "8gb")
    write_yaml(other.plan, {"configurations": {"2d": {}}, "n_folds": 1})
    train_partly(Run(workspace.benchmark / "residual_unet-0a1b" / "seed_1" / "fold_0"))
    shown = [(one.variant, one.configuration, one.fold) for one in read_status(workspace)]
    assert shown[2:] == [(None, "benchmark/residual_unet seed 1", "0"), ("8gb", "2d", "0")]
    assert [one.configuration for one in read_status(other)] == ["2d"]
    with pytest.raises(UsageError, match="Did you mean 8gb"):
        read_status(Workspace(workspace.root, "8bg"))


def keep_result(run: Run, mean_dice: float) -> None:
    write_json(
        run.result, {"result": {"report": {"summary": {"liver": {"dice": {"mean": 0.7}}}, "mean_dice": mean_dice}}}
    )


def show_compared(workspace: Workspace) -> list[tuple[str, str, str, float | None]]:
    shown = read_status(workspace)[2:]
    return [(one.configuration, one.fold, one.state, one.mean_dice) for one in shown]


def test_what_was_compared_is_told_apart_by_seed_and_by_budget_where_there_are_two(workspace: Workspace) -> None:
    keep_result(workspace.compared("mean_shape-aa", 0, 1), 0.7)  # a floor leaves no checkpoint
    finish(workspace.compared("vnet-bb", 0, 0))
    keep_result(workspace.compared("vnet-bb", 0, 0), 0.5)
    train_partly(workspace.compared("vnet-bb", 1, 0))
    train_partly(workspace.compared("vnet-cc", 0, 0))
    assert show_compared(workspace) == [
        ("benchmark/mean_shape seed 0", "1", "trained", 0.7),
        ("benchmark/vnet-bb seed 0", "0", "trained", 0.5),
        ("benchmark/vnet-bb seed 1", "0", "interrupted", 0.8),
        ("benchmark/vnet-cc seed 0", "0", "interrupted", 0.8),
    ]


def test_a_method_that_failed_says_so_for_all_runs_that_it_left_out(workspace: Workspace) -> None:
    keep_result(workspace.compared("vnet-bb", 0, 0), 0.5)
    train_partly(workspace.compared("vnet-bb", 1, 0))
    write_text(workspace.benchmark / "vnet-bb" / FAILURE, "fold 1, seed 0: out of memory.\n\nTraceback ...\n")
    write_text(workspace.benchmark / "threshold-aa" / FAILURE, "fold 0, seed 0: no voxel.\n")
    assert [(name, fold, state) for name, fold, state, _ in show_compared(workspace)] == [
        ("benchmark/threshold seed 0", "0", "failed"),
        ("benchmark/vnet seed 0", "0", "trained"),
        ("benchmark/vnet seed 0", "1", "failed"),
        ("benchmark/vnet seed 1", "0", "failed"),
    ]
    assert read_status(workspace)[-1].problem == "fold 1, seed 0: out of memory."


def test_dataset_stands_for_its_workspace(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "autoseg_workspace" / "Livers").mkdir(parents=True)
    write_json(tmp_path / "data" / "Livers" / "dataset.json", {"labels": {}})
    assert find_workspace(tmp_path / "data" / "Livers").root == Path("autoseg_workspace/Livers")
    assert find_workspace(workspace.root) == workspace
    with pytest.raises(WorkspaceError, match="no workspace"):
        find_workspace(tmp_path / "data")


def test_torch_is_not_needed(workspace: Workspace) -> None:
    program = (
        "import sys; from pathlib import Path; from autoseg.pipeline.status import read_status; "
        f"from autoseg.workspace import Workspace; read_status(Workspace(Path({str(workspace.root)!r}))); "
        "print('torch' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root)
    assert result.stdout.split() == ["False"], result.stderr
