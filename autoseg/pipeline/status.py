"""How far is every fold: trained, running now, interrupted, failed, or not begun?

Reads what training leaves in the workspace (history, state, checkpoint, report) and asks the lock whether a process is
alive. Loads neither torch nor the plan's rules, so that it answers at once, also while training keeps the machine busy.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from autoseg.data.split_file import read_splits
from autoseg.data.splits import ALL
from autoseg.errors import AutosegError, UsageError, WorkspaceError
from autoseg.serialization import Record, did_you_mean, parse_json, read_json, read_text, read_yaml
from autoseg.training.history import Epoch, read_history
from autoseg.workspace import Run, Workspace, default_workspace

FAILURE = "failure.txt"  # of a run: the sentence that its training ended with

State = Literal["trained", "unscored", "running", "interrupted", "failed", "not started"]


class FoldStatus(Record):
    """How far one fold of one configuration is.

    Attributes:
        configuration, fold, variant: which; a benchmark's run is named `benchmark/<method>`, in `configuration`.
        state: `unscored` is trained, with its whole validation cases still to be scored, or being scored.
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
    for method in sorted(path for path in workspace.benchmark.glob("*") if path.is_dir()):
        name = f"benchmark/{method.name.rsplit('-', 1)[0]}"
        for home in (method, *sorted(method.glob("seed_*"))):
            for path in _find_folders(home):
                yield _read_fold(Run(path), plan, name, _fold_of(path), ours=False)


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


def _read_fold(run: Run, plan: _Plan, configuration: str, fold: str, *, ours: bool = True) -> FoldStatus:
    history = read_history(run.history)
    last = history[-1] if history else None
    state = _find_state(run, fold, last)
    dice, mean = _read_dice(run, last, state)
    return FoldStatus(
        configuration=configuration,
        fold=fold,
        variant=plan.workspace.variant,
        state=state,
        share=1.0 if state in ("trained", "unscored") else last.share if last else None,
        epoch=last.epoch if last else 0,
        iteration=max(last.iteration if last else 0, _read_saved(run).get("position", {}).get("iteration", 0)),
        dice=dice,
        mean_dice=mean,
        iteration_s=last.iteration_s if last else None,
        waiting_share=last.waiting_share if last else None,
        memory_gb=max(epoch.memory_gb for epoch in history) if history else None,
        predicted_gb=plan.read(configuration, "memory_gb") if ours else None,
        spent_s=last.spent_s if last else None,
        left_s=_estimate_left(last, state),
        silent_s=max(time.time() - run.history.stat().st_mtime, 0.0) if history else None,
        problem=_read_failure(run) if state == "failed" else None,
        command=_write_command(run, plan, configuration, fold, state) if ours else None,
        folder=run.root,
    )


def _find_state(run: Run, fold: str, last: Epoch | None) -> State:
    if is_running(run.lock):
        return "running"
    if run.checkpoint.is_file():
        if not _read_saved(run).get("position", {}).get("is_finished", True):
            return "interrupted"  # while it was extended
        return "trained" if run.report.is_file() or fold == ALL else "unscored"
    if _read_failure(run) is not None:
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


def _read_failure(run: Run) -> str | None:
    path = run.root / FAILURE
    return read_text(path).strip() if path.is_file() else None


def _read_dice(run: Run, last: Epoch | None, state: State) -> tuple[dict[str, float | None], float | None]:
    if state != "trained" or not run.report.is_file():
        return (last.validation_dice, last.mean_dice) if last else ({}, None)
    report = read_json(run.report)
    dice = {label: metrics["dice"]["mean"] for label, metrics in report["summary"].items()}
    return dice, report["mean_dice"]


def _estimate_left(last: Epoch | None, state: State) -> float | None:
    if last is None or state not in ("running", "interrupted", "failed") or last.share <= 0:
        return None
    return last.spent_s * (1 - last.share) / last.share


def _write_command(run: Run, plan: _Plan, configuration: str, fold: str, state: State) -> str | None:
    """What a person types to continue, to score, or to start a fold."""
    if state in ("trained", "running"):
        return None
    workspace = plan.workspace
    words = ["autoseg", "train", str(_find_dataset(workspace)), "--configuration", configuration, "--fold", fold]
    words += ["--workspace", str(workspace.root)]
    words += ["--variant", workspace.variant] if workspace.variant else []
    words += _ask_as_begun(run, fold)
    return shlex.join([*words, *_ask_for_length(run, plan.read(configuration, "length"))])


def _ask_as_begun(run: Run, fold: str) -> list[str]:
    """The seed and the pretrained weights of an unfinished run, which it is continued with."""
    saved = _read_saved(run)
    seed = saved.get("seed", 0) - (int(fold) if fold.isdigit() else 0)
    words = ["--seed", str(seed)] if fold.isdigit() and seed > 0 else []
    return [*words, "--pretrained", saved["pretrained"]] if saved.get("pretrained") else words


def _find_dataset(workspace: Workspace) -> str:
    """Where the dataset lay when it was read last."""
    content = read_json(workspace.dataset) if workspace.dataset.is_file() else {}
    return str(content.get("dataset", {}).get("folder", "DATASET"))


def _ask_for_length(run: Run, planned: Any) -> Sequence[str]:
    """The words for the length that a run was begun with, where the plan has another."""
    begun = _read_saved(run).get("base_length")
    if begun is None or begun == planned:
        return ()
    if begun.get("train_time_s") is not None:
        return ("--train-time", f"{begun['train_time_s']:g}s")
    return ("--iterations", str(begun["n_iterations"]))


def _read_saved(run: Run) -> Mapping[str, Any]:
    """What the saved state says of its run: the header of a safetensors file, without a tensor."""
    if not run.resume.is_file():
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(run.resume, framework="np") as stream:
            content = parse_json((stream.metadata() or {}).get("autoseg", "{}"), where=str(run.resume))
    except (SafetensorError, AutosegError, OSError):
        return {}
    return content if isinstance(content, Mapping) else {}
