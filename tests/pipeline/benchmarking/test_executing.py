"""Runs fail alone: by an error, or with their process."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoseg.errors import ResourceError
from autoseg.pipeline import parallel
from autoseg.pipeline.benchmarking.executing import Task, choose_jobs, run_tasks
from autoseg.pipeline.parallel import Call
from autoseg.pipeline.project import Project
from autoseg.pipeline.reporting import Reporter
from autoseg.serialization import write_text
from autoseg.workspace import Run


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
        write_text(self.run.result, "{}")


def make_task(folder: Path, method: str, fold: int, ends: str = "well") -> Task:
    run = Run(folder / method / "seed_0" / f"fold_{fold}")
    return Task(method, fold, 0, run, Work(run, ends), memory_gb=0.1)


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
    assert run_tasks(small, [make_task(tmp_path, "bad", 0), *tasks[1:]], 1) == {}  # what was missing is there now
    assert tasks[2].run.result.is_file()


def test_what_is_told_at_the_end_of_processes_that_died_finds_its_method(
    small: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_and_tell(calls: Sequence[Call], **_: object) -> None:
        raise ResourceError("\n".join(f"{call.name}: its process was killed." for call in calls[:1]))

    monkeypatch.setattr("autoseg.pipeline.benchmarking.executing.run_in_parallel", run_and_tell)
    tasks = [make_task(tmp_path, "hungry", 0), make_task(tmp_path, "good", 0)]
    assert run_tasks(small, tasks, 2) == {"hungry": "fold 0, seed 0: its process was killed."}


@pytest.mark.slow
def test_a_process_that_is_killed_takes_no_other_with_it(
    small: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoseg.pipeline.benchmarking.executing.run_in_parallel", parallel.run_in_parallel)
    tasks = [make_task(tmp_path, "hungry", 0, "killed"), make_task(tmp_path, "good", 0)]
    failures = run_tasks(small, tasks, 2)
    assert list(failures) == ["hungry"]
    assert failures["hungry"].startswith("fold 0, seed 0: its process was killed, which systems do when memory runs")
    assert tasks[1].run.result.is_file()


def test_an_interruption_passes_through(small: Project, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_tasks(small, [make_task(tmp_path, "slow", 0, "interrupted")], 1)


def test_there_are_no_more_jobs_than_memory_bears(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoseg.pipeline.benchmarking.executing.measure_free_memory_bytes", lambda: 5 * 2**30)
    assert choose_jobs(small, 4, 2.0, "cpu") == 2
    assert choose_jobs(small, 4, 0.5, "cpu") == 4
    assert choose_jobs(small, 4, 50.0, "cpu") == 1
