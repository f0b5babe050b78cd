"""May this run be continued? By one process at a time, and only as what it was begun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from autoseg.errors import WorkspaceError
from autoseg.serialization import to_plain
from autoseg.training.job import TrainingJob


def describe_job(job: TrainingJob) -> dict[str, Any]:
    """What a run must share with the run that it continues."""
    return {
        "training_digest": job.plan.training_digest(job.configuration),
        "train_ids": sorted(job.train_ids),
        "length": to_plain(job.length),
        "seed": job.seed,
        "previous": job.previous_sources or None,
    }


def refuse_other_job(job: TrainingJob, begun: dict[str, Any]) -> None:
    """Raise WorkspaceError if the saved state was begun with another plan, split, length, seed or previous models."""
    other = [name for name, value in describe_job(job).items() if begun.get(name) != value]
    if other:
        words = {
            "training_digest": "plan or data",
            "train_ids": "split",
            "length": "length",
            "seed": "seed",
            "previous": "models for the previous segmentations",
        }
        raise WorkspaceError(
            f"{job.resume}: was begun with another {' and '.join(words[name] for name in other)} (length then: "
            f"{begun.get('length')}, seed: {begun.get('seed')}). Ask for the same, or start over with --restart."
        )


@contextmanager
def holding(lock: Path) -> Iterator[None]:
    """Refuse a second process on the same fold; the lock ends with the process, however that ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = FileLock(lock)
    try:
        with holder.acquire(timeout=0):
            yield
    except Timeout:
        raise WorkspaceError(
            f"{lock.parent}: another process is training this fold. Wait for it, or stop it."
        ) from None
