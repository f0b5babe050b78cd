"""How are many runs done, side by side within memory, so that one that fails takes no other with it?

Each run has a process of its own. Runs take turns, method by method within a fold and a seed, so that a busy hour of
the machine meets all methods. Why a method failed is written into its folder, and its further runs are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from autoseg.errors import AutosegError
from autoseg.machine import measure_free_memory_bytes
from autoseg.pipeline.benchmarking.weighing import explain
from autoseg.pipeline.parallel import Call, run_in_parallel
from autoseg.pipeline.project import Project
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.side_by_side import count_fitting, list_devices
from autoseg.pipeline.standing import move_aside
from autoseg.planning.devices import BYTES_PER_GB
from autoseg.serialization import read_text, write_text
from autoseg.workspace import Run

FAILURE = "failure.txt"  # in the folder of a method


@dataclass(frozen=True)
class Task:
    """A run to be done.

    Attributes:
        method, fold, seed: which.
        run: where its result will lie.
        function: what to do, given who is told and the place that it runs at; it can be pickled.
        memory_gb: forecast peak.
    """

    method: str
    fold: int
    seed: int
    run: Run
    function: Callable[[Reporter, int], None]
    memory_gb: float

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.method}, fold {self.fold}, seed {self.seed}"

    @property
    def note(self) -> Path:
        """Where the method's failure is written."""
        return self.run.root.parents[1] / FAILURE


@dataclass(frozen=True)
class Attempt:
    """Do a task; a failure becomes a note, with which the method's further tasks are left out."""

    task: Task

    def __call__(self, reporter: Reporter, place: int) -> None:
        if self.task.note.is_file():
            return
        try:
            self.task.function(reporter, place)
        except Exception as problem:  # of whatever kind: the method is another person's, and the others go on
            reporter.warn(f"failed, the others go on: {explain(problem)}")
            write_text(self.task.note, f"fold {self.task.fold}, seed {self.task.seed}: {explain(problem)}\n")


def run_tasks(project: Project, tasks: Sequence[Task], n_jobs: int, *, restart: bool = False) -> dict[str, str]:
    """Do tasks that are not done yet, `n_jobs` at a time.

    Args:
        restart: whether all are done anew; what they left before is moved aside.

    Returns:
        Why methods failed, by name.

    Raises:
        KeyboardInterrupt: somebody interrupted; what was trained so far is kept.
    """
    if restart:
        for task in tasks:
            move_aside(project, task.run)
    waiting = [task for task in tasks if not task.run.result.is_file()]
    for task in waiting:
        task.note.unlink(missing_ok=True)  # of an earlier attempt: what was missing may be there now
    died: dict[str, str] = {}
    if waiting:
        calls = [Call(task.name, Attempt(task)) for task in waiting]
        try:
            run_in_parallel(calls, n_jobs=n_jobs, title=f"Running {len(calls)} runs", reporter=project.reporter)
        except AutosegError as problem:  # raised at the end: of processes that died
            died = {task.method: reason for task in waiting if (reason := _find_reason(problem, task)) is not None}
    noted = {task.method: read_text(task.note).strip() for task in waiting if task.note.is_file()}
    return {**died, **noted}


def _find_reason(problem: AutosegError, task: Task) -> str | None:
    """What `run_in_parallel` says of a call, which it names at the beginning of a line."""
    lines = [line for line in str(problem).splitlines() if line.startswith(f"{task.name}: ")]
    return f"fold {task.fold}, seed {task.seed}: {lines[0].removeprefix(f'{task.name}: ')}" if lines else None


def choose_jobs(project: Project, wanted: int, memory_gb: float, device: str) -> int:
    """As many runs at a time as were asked for, or as fit into the memory that is free; the difference is told.

    Args:
        memory_gb: forecast peak of the largest training.
    """
    free_gb = [_measure_free_gb(name) for name in list_devices(device)]
    n_fitting = count_fitting(wanted, memory_gb=max(memory_gb, 1e-3), free_gb=free_gb)
    if n_fitting < wanted:
        project.reporter.warn(
            f"--jobs {wanted}: the largest training takes {memory_gb:.2f} GB, and {min(free_gb):.2f} GB are free. "
            f"Running {n_fitting} at a time."
        )
    return n_fitting


def _measure_free_gb(device: str) -> float:
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0] / BYTES_PER_GB
    return measure_free_memory_bytes() / BYTES_PER_GB
