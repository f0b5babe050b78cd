"""Runs fail alone: by an error, or with their process."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from autoseg.errors import ResourceError, WorkspaceError
from autoseg.pipeline import parallel
from autoseg.pipeline.benchmarking.executing import Task, choose_jobs, holding_benchmark, run_tasks
from autoseg.pipeline.benchmarking.records import FinishedRun, read_finished, write_finished
from autoseg.pipeline.parallel import Call
from autoseg.pipeline.project import Project
from autoseg.pipeline.reporting import Reporter
from autoseg.serialization import read_text, write_text
from autoseg.training.continuing import holding
from autoseg.workspace import Run, Workspace
from tests.pipeline.benchmarking.test_gathering import RUNS

RUN_IN_PARALLEL = "autoseg.pipeline.benchmarking.executing.run_in_parallel"


@dataclass(frozen=True)
class Work:
    """Leaves a result, or dies or fails."""

    run: Run
    ends: str = "well"

    def __call__(self, reporter: Reporter, place: int) -> None:
        if self.ends == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.ends == "failing":
            raise ResourceError("Out of memory while holding a batch.\nand more lines")
        if self.ends == "interrupted":
            raise KeyboardInterrupt
        if self.ends == "training":
            with holding(self.run.lock):
                pass
        write_finished(self.run, FinishedRun(result=RUNS[0], ended="2026-01-01"))


def make_task(folder: Path, method: str, fold: int, ends: str = "well") -> Task:
    run = Run(folder / method / "seed_0" / f"fold_{fold}")
    return Task(method, fold, 0, run, Work(run, ends))


def test_a_failed_run_ends_its_method_and_no_other(small: Project, tmp_path: Path) -> None:
    tasks = [
        make_task(tmp_path, "bad", 0, "failing"),
        make_task(tmp_path, "good", 0),
        make_task(tmp_path, "bad", 1),
        make_task(tmp_path, "good", 1),
    ]
    failures = run_tasks(small, tasks, 1)
    assert failures == {"bad": "fold 0, seed 0: Out of memory while holding a batch."}
    assert [task.run.result.is_file() for task in tasks] == [False, True, False, True]
    note = read_text(tasks[0].note)
    assert "and more lines" in note
    assert "Traceback" in note
    assert run_tasks(small, [make_task(tmp_path, "bad", 0), *tasks[1:]], 1) == {}  # what was missing is there now
    assert tasks[2].run.result.is_file()


@pytest.mark.parametrize("spoilt", ["{}", "", '{"autoseg_run": 1, "result"'])
def test_a_result_that_cannot_be_read_is_made_again(small: Project, tmp_path: Path, spoilt: str) -> None:
    tasks = [make_task(tmp_path, "good", 0), make_task(tmp_path, "good", 1, "failing")]
    run_tasks(small, tasks[:1], 1)
    write_finished(tasks[1].run, FinishedRun(result=RUNS[1], ended="2026-01-01"))
    write_text(tasks[0].run.result, spoilt)
    assert run_tasks(small, tasks, 1) == {}  # the other one was not tried
    assert read_finished(tasks[0].run) is not None


def test_what_belongs_to_no_method_is_raised(small: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_and_tell(calls: Sequence[Call], **_: object) -> None:
        raise ResourceError("the disk is full")

    monkeypatch.setattr(RUN_IN_PARALLEL, run_and_tell)
    with pytest.raises(ResourceError, match="the disk is full"):
        run_tasks(small, [make_task(tmp_path, "good", 0)], 2)


def test_that_another_process_trains_a_run_is_no_failure_of_its_method(small: Project, tmp_path: Path) -> None:
    task = make_task(tmp_path, "unet", 0, "training")
    task.run.root.mkdir(parents=True)
    with FileLock(task.run.lock), pytest.raises(WorkspaceError, match="another process is training this fold"):
        run_tasks(small, [task], 1)
    assert not task.note.exists()
    assert run_tasks(small, [task], 1) == {}


@pytest.mark.slow
def test_a_process_that_is_killed_ends_its_method_and_no_other(
    small: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RUN_IN_PARALLEL, parallel.run_in_parallel)
    tasks = [
        make_task(tmp_path, "hungry", 0, "killed"),
        make_task(tmp_path, "good", 0),
        make_task(tmp_path, "hungry", 1),
    ]
    failures = run_tasks(small, tasks, 1)
    assert list(failures) == ["hungry"]
    assert failures["hungry"].startswith("fold 0, seed 0: its process was killed, which systems do when memory runs")
    assert [task.run.result.is_file() for task in tasks] == [False, True, False]
    assert tasks[0].note.is_file()


def test_an_interruption_passes_through(small: Project, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_tasks(small, [make_task(tmp_path, "slow", 0, "interrupted")], 1)


def test_a_second_comparison_in_a_workspace_is_refused_in_one_line(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    with (
        holding_benchmark(workspace),
        pytest.raises(WorkspaceError, match="another benchmark is running in this workspace") as told,
        holding_benchmark(workspace),
    ):
        pytest.fail("two at once")
    assert "\n" not in str(told.value)
    with holding_benchmark(workspace), holding_benchmark(Workspace(workspace.root, "8gb")):
        pass  # the plan for another device has runs of its own
    with holding_benchmark(workspace):
        pass


def test_there_are_no_more_jobs_than_memory_bears(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoseg.pipeline.benchmarking.executing.measure_free_memory_bytes", lambda: 5 * 2**30)
    assert choose_jobs(small, 4, 2.0, "cpu") == 2
    assert choose_jobs(small, 4, 0.5, "cpu") == 4
    assert choose_jobs(small, 4, 50.0, "cpu") == 1
