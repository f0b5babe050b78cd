"""How are many runs done, side by side within memory, so that one that fails takes no other with it?

Each run has a process of its own. Runs take turns, method by method within a fold and a seed, so that a busy hour of
the machine meets all methods. Why a method failed is written into its folder, and its further runs are left out.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from autoseg.errors import AutosegError, WorkspaceError
from autoseg.machine import measure_free_memory_bytes
from autoseg.pipeline.benchmarking.records import read_finished
from autoseg.pipeline.benchmarking.weighing import explain
from autoseg.pipeline.parallel import Call, run_in_parallel
from autoseg.pipeline.project import Project
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.side_by_side import count_fitting, list_devices
from autoseg.pipeline.standing import move_aside
from autoseg.planning.devices import BYTES_PER_GB
from autoseg.serialization import read_text, write_text
from autoseg.workspace import FAILURE, Run, Workspace


@dataclass(frozen=True)
class Task:
    """A run to be done.

    Attributes:
        method, fold, seed: which.
        run: where its result will lie.
        function: what to do, given who is told and the place that it runs at; it can be pickled.
    """

    method: str
    fold: int
    seed: int
    run: Run
    function: Callable[[Reporter, int], None]

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.method}, {self.which}"

    @property
    def which(self) -> str:
        """The run among those of its method."""
        return f"fold {self.fold}, seed {self.seed}"

    @property
    def note(self) -> Path:
        """Where the method's failure is written."""
        return self.run.root.parents[1] / FAILURE

    def write_note(self, reason: str, details: str = "") -> None:
        """Say why the method fails; its further runs are left out."""
        write_text(self.note, f"{self.which}: {reason}\n" + (f"\n{details}" if details else ""))


@dataclass(frozen=True)
class Attempt:
    """Do a task; a failure becomes a note, with which the method's further tasks are left out.

    That another process trains the same run is no failure of the method: it is raised.
    """

    task: Task

    def __call__(self, reporter: Reporter, place: int) -> None:
        if self.task.note.is_file():
            return
        try:
            self.task.function(reporter, place)
        except Exception as problem:  # of whatever kind: the method is another person's, and the others go on
            if _is_held_elsewhere(self.task.run):
                raise
            reporter.warn(f"failed, the others go on: {explain(problem)} All of it: {self.task.note}")
            self.task.write_note(explain(problem), traceback.format_exc())


def _is_held_elsewhere(run: Run) -> bool:
    """Whether another process trains a run, or a trial of it."""
    return any(_is_locked(lock) for lock in run.root.rglob(run.lock.name))


def _is_locked(lock: Path) -> bool:
    try:
        with FileLock(lock).acquire(timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def holding_benchmark(workspace: Workspace) -> Iterator[None]:
    """Refuse a second comparison in a workspace; the lock ends with the process, however that ends.

    Raises:
        WorkspaceError: another one is at work.
    """
    variant = f"-{workspace.variant}" if workspace.variant else ""
    lock = workspace.root / f"benchmark{variant}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = FileLock(lock)
    try:
        holder.acquire(timeout=0)
    except Timeout:
        raise WorkspaceError(
            f"{workspace.benchmark}: another benchmark is running in this workspace. Wait for it, stop it, or give "
            "another --workspace."
        ) from None
    try:
        yield
    finally:
        holder.release()


def list_waiting(tasks: Sequence[Task]) -> list[Task]:
    """Tasks without a result that can be read."""
    return [task for task in tasks if read_finished(task.run) is None]


def run_tasks(project: Project, tasks: Sequence[Task], n_jobs: int, *, restart: bool = False) -> dict[str, str]:
    """Do tasks that are not done yet, `n_jobs` at a time.

    Args:
        restart: whether all are done anew; what they left before is moved aside.

    Returns:
        Why methods failed, by name, each in a line.

    Raises:
        KeyboardInterrupt: somebody interrupted; what was trained so far is kept.
        AutosegError: what went wrong has nothing to do with a method, as another process that trains the same run.
    """
    if restart:
        for task in tasks:
            move_aside(project, task.run)
    waiting = list_waiting(tasks)
    for task in waiting:
        task.note.unlink(missing_ok=True)  # of an earlier attempt: what was missing may be there now
    if waiting:
        _run(project, waiting, n_jobs)
    return {task.method: read_text(task.note).splitlines()[0] for task in waiting if task.note.is_file()}


def _run(project: Project, waiting: Sequence[Task], n_jobs: int) -> None:
    task_of = {task.name: task for task in waiting}
    died: set[str] = set()

    def note_death(call: Call, reason: str) -> None:
        died.add(call.name)
        task_of[call.name].write_note(reason)

    calls = [Call(task.name, Attempt(task)) for task in waiting]
    title = f"Running {len(calls)} runs"
    try:
        run_in_parallel(calls, n_jobs=n_jobs, title=title, reporter=project.reporter, on_death=note_death)
    except AutosegError as problem:  # raised at the end, of all that failed: a death was noted when it came
        others = [line for line in str(problem).splitlines() if not any(line.startswith(f"{one}: ") for one in died)]
        if others:
            raise type(problem)("\n".join(others)) from problem


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
