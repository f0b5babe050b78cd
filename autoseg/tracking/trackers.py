"""Which trackers are there, what do they have in common, and what does a person install for them?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from autoseg.errors import UsageError


class Tracker(Protocol):
    """Writes a training down somewhere. Every method may fail: the caller goes on without it."""

    def begin(self, parameters: Mapping[str, Any]) -> None:
        """Note what is trained, by name; called once in every sitting."""

    def record(self, iteration: int, scalars: Mapping[str, float]) -> None:
        """Note the figures of an epoch that ended after so many iterations."""

    def close(self, *, is_finished: bool) -> None:
        """Let go; the training is finished, or will be continued."""


@dataclass(frozen=True)
class TrackerFolder:
    """Where a tracker writes.

    Attributes:
        folder: of the run that is trained.
        name: of the training, in words.
        iteration: that this sitting begins after; what was noted beyond it is void.
        address: of a server or folder, where a person named one.
    """

    folder: Path
    name: str
    iteration: int = 0
    address: str = ""


def _open_event_file(place: TrackerFolder) -> Tracker:
    from autoseg.tracking.event_files import EventFile

    return EventFile(place)


def _open_mlflow_run(place: TrackerFolder) -> Tracker:
    from autoseg.tracking.mlflow_runs import MlflowRun

    return MlflowRun(place)


TRACKERS: dict[str, Callable[[TrackerFolder], Tracker]] = {"tensorboard": _open_event_file, "mlflow": _open_mlflow_run}
PACKAGES = {"tensorboard": "tensorboardX", "mlflow": "mlflow"}  # what each imports; its extra has its own name


def open_tracker(name: str, place: TrackerFolder) -> Tracker:
    """The tracker of this name, ready to begin. Raises UsageError if its package is not installed."""
    refuse_missing_package(name)
    return TRACKERS[name](place)


def refuse_missing_package(name: str) -> None:
    """Raise UsageError, with what to install, if a tracker's package is not there."""
    if find_spec(PACKAGES[name]) is None:
        raise UsageError(
            f"--{name}: needs the package {PACKAGES[name]}, which is not installed. Run `pip install autoseg[{name}]`, "
            "or leave the option out."
        )
