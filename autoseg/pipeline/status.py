"""How far is every fold: trained, running now, interrupted, failed, or not begun?

Reads what training leaves in the workspace (history, state, checkpoint, report) and asks the lock whether a process is
alive. Loads neither torch nor the plan's rules, so that it answers at once, also while training keeps the machine busy.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from autoseg.data.split_file import read_splits
from autoseg.data.splits import ALL
from autoseg.errors import UsageError, WorkspaceError
from autoseg.pipeline.continuing_command import phrase_command, read_saved
from autoseg.serialization import Record, did_you_mean, read_json, read_text, read_yaml
from autoseg.training.history import Epoch, read_history
from autoseg.workspace import FAILURE, Run, Workspace, default_workspace

State = Literal["trained", "unscored", "running", "interrupted", "failed", "not started"]
DONE_OR_RUNNING = ("trained", "running")


class FoldStatus(Record):
    """How far one fold of one configuration is.

    Attributes:
        configuration, fold, variant: which; a benchmark's run is named `benchmark/<method> seed <s>`, in
            `configuration`, with the digest of the method's folder where the method has several.
        state: `unscored` is trained, with its whole validation cases still to be scored, or being scored. What hardly
            learns, or was predicted elsewhere, is `trained` once it is scored.
        share: of the training that is spent, as the last epoch told, None before the first.
        epoch, iteration: done.
        dice: of each label; over whole validation cases once trained, over patches before.
        mean_dice: their mean; of a trained fold the report's.
        iteration_s, waiting_share, memory_gb: of the last epoch.
        predicted_gb: the peak of memory that the plan predicts.
        spent_s, left_s: seconds of training, None before the first epoch; left at the rate so far.
        silent_s: seconds since the last epoch ended.
        problem: why it failed, if it did.
        command: what continues or starts it, None where nothing is to be done.
        folder: of the run.
    """

    configuration: str
    fold: str
    variant: str | None
    state: State
    share: float | None
    epoch: int
    iteration: int
    dice: dict[str, float | None]
    mean_dice: float | None
    iteration_s: float | None
    waiting_share: float | None
    memory_gb: float | None
    predicted_gb: float | None
    spent_s: float | None
    left_s: float | None
    silent_s: float | None
    problem: str | None
    command: str | None
    folder: Path


def find_workspace(place: Path) -> Workspace:
    """The workspace that a person means: its own folder, or that of a dataset's.

    Raises:
        WorkspaceError: neither is there.
    """
    if is_workspace(place):
        return Workspace(place)
    workspace = default_workspace(place.resolve().name)
    if not workspace.root.is_dir():
        raise WorkspaceError(
            f"{place}: is no workspace of autoseg, and no workspace of this dataset is at {workspace.root}. Name the "
            "workspace's folder, or begin with `autoseg plan DATASET`."
        )
    return workspace


def is_workspace(place: Path) -> bool:
    """Whether a folder holds what autoseg writes about a dataset."""
    if any((place / name).exists() for name in ("plan.yaml", "trained", "fingerprint.json", "variants")):
        return True
    return (place / "dataset.json").is_file() and "listing" in read_json(place / "dataset.json")


def read_status(workspace: Workspace) -> tuple[FoldStatus, ...]:
    """Every fold of every configuration, of every variant unless the workspace names one, and of benchmarks."""
    if workspace.variant is not None:
        return tuple(_read_variant(workspace))
    names = sorted(path.name for path in (workspace.root / "variants").glob("*") if path.is_dir())
    homes = [workspace, *(Workspace(workspace.root, name) for name in names)]
    return tuple(status for home in homes for status in _read_variant(home))


def _read_variant(workspace: Workspace) -> Iterator[FoldStatus]:
    if not workspace.home.is_dir():
        known = [path.name for path in (workspace.root / "variants").glob("*")]
        raise UsageError(f"--variant {workspace.variant}: there is none.{did_you_mean(str(workspace.variant), known)}")
    plan = _Plan(workspace)
    for name in plan.configurations:
        runs = {str(fold): workspace.run(name, fold) for fold in range(plan.n_folds)}
        runs |= {_fold_of(path): Run(path) for path in _find_folders(workspace.trained(name))}
        for fold, run in runs.items():
            yield _read_fold(run, plan, name, fold)
    yield from _read_compared(workspace, plan)


def _read_compared(workspace: Workspace, plan: _Plan) -> Iterator[FoldStatus]:
    """Every run of the methods that `benchmark` compared."""
    folders = sorted(path for path in workspace.benchmark.glob("*-*") if path.is_dir())
    names = [folder.name.rpartition("-")[0] for folder in folders]
    for folder, method in zip(folders, names, strict=True):
        name = folder.name if names.count(method) > 1 else method
        failure = (_read_note(folder) or "").partition("\n")[0] or None  # below that line stands all that is known
        for seed, fold in _list_compared(folder, failure):
            run = workspace.compared(folder.name, seed, fold)
            yield _read_fold(run, plan, f"benchmark/{name} seed {seed}", str(fold), failure=failure, ours=False)


def _list_compared(folder: Path, failure: str | None) -> list[tuple[int, int]]:
    """Seed and fold of the runs of a method: those that left something, and the one that its failure names."""
    found = {
        (int(home.name.removeprefix("seed_")), int(_fold_of(path)))
        for home in folder.glob("seed_*")
        for path in _find_folders(home)
    }
    if failed := re.match(r"fold (\d+), seed (\d+): ", failure or ""):
        found.add((int(failed[2]), int(failed[1])))
    return sorted(found)


def _find_folders(folder: Path) -> list[Path]:
    """Runs by fold; not those that were moved aside (`fold_0.old1`)."""
    found = [path for path in folder.glob("fold_*") if path.is_dir() and "." not in path.name]
    return sorted(found, key=lambda path: (len(path.name), path.name))


def _fold_of(path: Path) -> str:
    return path.name.removeprefix("fold_")


class _Plan:
    """What status needs of the plan's file, read as plain data: the schema and the rules take longer than all else."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._content: Mapping[str, Any] = read_yaml(workspace.plan) if workspace.plan.is_file() else {}

    @property
    def configurations(self) -> tuple[str, ...]:
        """Of the plan, and of trainings under an earlier one."""
        there = [path.name for path in self.workspace.runs.glob("*") if path.is_dir()]
        planned = list(self._content.get("configurations", {}))
        return tuple(dict.fromkeys([*planned, *sorted(there)]))

    @property
    def n_folds(self) -> int:
        """Of the splits that are there, else of the plan."""
        if not self.workspace.splits.is_file():
            return int(_value(self._content.get("n_folds")) or 0)
        return len(read_splits(self.workspace.splits).folds)

    def read(self, configuration: str, name: str) -> Any:
        """A value of a configuration, None if the plan has none."""
        return _value(self._content.get("configurations", {}).get(configuration, {}).get(name))


def _value(entry: Any) -> Any:
    """The value of a decision, which a person may have written bare."""
    return entry["value"] if isinstance(entry, Mapping) and "value" in entry else entry


def _read_fold(
    run: Run, plan: _Plan, configuration: str, fold: str, *, failure: str | None = None, ours: bool = True
) -> FoldStatus:
    """The status of a run; of one of a comparison, its method's failure may have ended it."""
    history = read_history(run.history)
    last = history[-1] if history else None
    state = _find_state(run, fold, last, failure)
    dice, mean = _read_dice(run, last, state)
    return FoldStatus(
        configuration=configuration,
        fold=fold,
        variant=plan.workspace.variant,
        state=state,
        share=1.0 if state in ("trained", "unscored") else last.share if last else None,
        epoch=last.epoch if last else 0,
        iteration=max(last.iteration if last else 0, read_saved(run).get("position", {}).get("iteration", 0)),
        dice=dice,
        mean_dice=mean,
        iteration_s=last.iteration_s if last else None,
        waiting_share=last.waiting_share if last else None,
        memory_gb=max(epoch.memory_gb for epoch in history) if history else None,
        predicted_gb=plan.read(configuration, "memory_gb") if ours else None,
        spent_s=last.spent_s if last else None,
        left_s=_estimate_left(last, state),
        silent_s=max(time.time() - run.history.stat().st_mtime, 0.0) if history else None,
        problem=(failure or _read_note(run.root)) if state == "failed" else None,
        command=_find_command(run, plan, configuration, fold) if ours and state not in DONE_OR_RUNNING else None,
        folder=run.root,
    )


def _find_command(run: Run, plan: _Plan, configuration: str, fold: str) -> str:
    return phrase_command(plan.workspace, configuration, fold, run, plan.read(configuration, "length"))


def _find_state(run: Run, fold: str, last: Epoch | None, failure: str | None) -> State:
    if is_running(run.lock):
        return "running"
    if run.result.is_file():
        return "trained"
    if failure is not None:
        return "failed"
    if run.checkpoint.is_file():
        if not read_saved(run).get("position", {}).get("is_finished", True):
            return "interrupted"  # while it was extended
        return "trained" if run.report.is_file() or fold == ALL else "unscored"
    if _read_note(run.root) is not None:
        return "failed"
    return "interrupted" if run.resume.is_file() or last is not None else "not started"


def is_running(lock: Path) -> bool:
    """Whether a process holds the lock of a run. The lock is let go at once, and never made."""
    if not lock.is_file():
        return False
    try:
        with FileLock(lock).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # another user's, or read-only: nobody here can train it
        return False


def _read_note(folder: Path) -> str | None:
    """Why a run or a method failed, None where it did not."""
    path = folder / FAILURE
    return read_text(path).strip() if path.is_file() else None


def _read_dice(run: Run, last: Epoch | None, state: State) -> tuple[dict[str, float | None], float | None]:
    report = _read_report(run) if state == "trained" else None
    if report is None:
        return (last.validation_dice, last.mean_dice) if last else ({}, None)
    dice = {label: metrics["dice"]["mean"] for label, metrics in report["summary"].items()}
    return dice, report["mean_dice"]


def _read_report(run: Run) -> Mapping[str, Any] | None:
    """A run's report as plain data: of a comparison it stands in its result."""
    if run.result.is_file():
        report: Mapping[str, Any] = read_json(run.result)["result"]["report"]
        return report
    return read_json(run.report) if run.report.is_file() else None


def _estimate_left(last: Epoch | None, state: State) -> float | None:
    if last is None or state not in ("running", "interrupted", "failed") or last.share <= 0:
        return None
    return last.spent_s * (1 - last.share) / last.share
