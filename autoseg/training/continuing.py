"""May this run be continued? By one process at a time, and only as what it was begun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from autoseg.errors import AutosegError, WorkspaceError
from autoseg.networks.checkpoint import read_content
from autoseg.planning.choices import Length
from autoseg.serialization import Record, parse_record, to_plain
from autoseg.training.job import TrainingJob
from autoseg.training.spending import share_spent

LOOKED_AT_S = 1.0  # `autoseg status` takes a lock for a moment, to see whether it is free


class Saved(Record):
    """What a saved state says of its run, read without its weights.

    Attributes:
        length, base_length: of the run, and what it was begun with before it was extended.
        is_finished: whether that length is spent.
        iteration_s: mean seconds of an iteration, None before the first.
        iteration, share: where it stands.
        seed, engine: of the run.
    """

    length: Length
    base_length: Length
    is_finished: bool
    iteration_s: float | None
    iteration: int
    share: float
    seed: int
    engine: Literal["workers", "device"]


def read_saved(path: Path) -> Saved | None:
    """What a run's saved state says, None where there is no such file. Raises WorkspaceError for a damaged one."""
    if not path.is_file():
        return None
    content = read_content(path)
    position = content.get("position", {})
    epochs = position.get("epochs") or [{}]
    try:
        length = parse_record(Length, content.get("length"), where=str(path))
        share = share_spent(length, iteration=position["iteration"], spent_s=position["spent_s"])
        return Saved(
            length=length,
            base_length=parse_record(Length, content.get("base_length"), where=str(path)),
            is_finished=position["is_finished"],
            iteration_s=epochs[-1].get("iteration_s"),
            iteration=position["iteration"],
            share=share,
            seed=content["seed"],
            engine=content["engine"],
        )
    except (AutosegError, KeyError):
        raise WorkspaceError(f"{path}: was saved by another version of autoseg. Use --restart to start over.") from None


def describe_job(job: TrainingJob) -> dict[str, Any]:
    """What a run must share with the run that it continues, but for its length, which may grow."""
    return {
        "training_digest": job.plan.training_digest(job.configuration),
        "train_ids": sorted(job.train_ids),
        "base_length": to_plain(job.begun_length),
        "length": to_plain(job.length),
        "seed": job.seed,
        "engine": job.engine,
        "pretrained": job.pretrained_from,
        "previous": job.previous_sources or None,
        "annotated": to_plain(job.annotated_in_training),
    }


def refuse_other_job(job: TrainingJob, begun: dict[str, Any]) -> None:
    """Raise WorkspaceError if the saved state was begun with another plan, split, length, seed or previous models."""
    may_differ = {"length"} if job.base_length is not None else set()
    other = [name for name, value in describe_job(job).items() if begun.get(name) != value and name not in may_differ]
    if other:
        words = {
            "training_digest": "another plan or other data",
            "train_ids": "another split",
            "base_length": "another length",
            "length": "another length",
            "seed": "another seed",
            "engine": "another augmentation_engine",
            "pretrained": "other pretrained weights",
            "previous": "other models for the previous segmentations",
            "annotated": "other annotated labels",
        }
        raise WorkspaceError(
            f"{job.resume}: was begun with {' and '.join(dict.fromkeys(words[name] for name in other))} (length then: "
            f"{begun.get('length')}, seed: {begun.get('seed')}). Ask for the same, or start over with --restart."
        )


@contextmanager
def holding(lock: Path) -> Iterator[None]:
    """Refuse a second process on the same fold; the lock ends with the process, however that ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = FileLock(lock)
    try:
        with holder.acquire(timeout=LOOKED_AT_S):
            yield
    except Timeout:
        raise WorkspaceError(
            f"{lock.parent}: another process is training this fold. Wait for it, or stop it."
        ) from None
