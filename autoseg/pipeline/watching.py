"""What does a person see of a training while it runs? A note in the terminal, a picture, and the trackers asked for.

Nothing here may end a training: what cannot be drawn or tracked is said once and left out from there on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn

from autoseg.drawing import draw_progress
from autoseg.errors import AutosegError, UsageError, WorkspaceError
from autoseg.pipeline.noting import write_note
from autoseg.pipeline.reporting import Advance, Reporter
from autoseg.planning.explaining import is_forecast
from autoseg.planning.walking import walk_decisions
from autoseg.serialization import write_text
from autoseg.tracking import Tracker, TrackerFolder, list_scalars, open_tracker, refuse_missing_package
from autoseg.training.distributing import is_first
from autoseg.training.history import Epoch, read_history
from autoseg.training.watching import Step, Watching
from autoseg.workspace import FAILURE

if TYPE_CHECKING:
    from autoseg.pipeline.orders import FoldOrder

DRAW_EVERY_S = 30.0  # a picture of the curves takes up to a second

ScoreCases = Callable[[nn.Module], float | None]


@dataclass(frozen=True)
class Tracking:
    """Where else trainings are written down.

    Attributes:
        tensorboard: event files in the folder of each fold.
        mlflow: address or folder of MLflow, None for no MLflow.

    Raises:
        UsageError: the package is not installed; said before any work begins.
    """

    tensorboard: bool = False
    mlflow: str | None = None

    def __post_init__(self) -> None:
        for name in self.addresses:
            refuse_missing_package(name)

    @property
    def addresses(self) -> dict[str, str]:
        """The trackers that are asked for, each with its address."""
        named = {"mlflow": self.mlflow} if self.mlflow is not None else {}
        return {**({"tensorboard": ""} if self.tensorboard else {}), **named}


@contextmanager
def watch(reporter: Reporter, order: FoldOrder, *, score_cases: ScoreCases | None = None) -> Iterator[Watching]:
    """Watch the training of a fold; of several processes that train together the first one alone does.

    A failure is noted in the run's folder, where `autoseg status` finds it, until the fold is trained again.
    """
    if not is_first():
        yield Watching(score_cases=score_cases)
        return
    with reporter.follow(order.what, 1.0) as advance:
        watcher = _Watcher(reporter, order, advance)
        is_finished = False
        try:
            yield Watching(watcher.on_step, watcher.on_epoch, reporter.say, score_cases)
            is_finished = True
        except (UsageError, WorkspaceError):
            raise  # refused before it began: says nothing of the run that is there
        except Exception as problem:
            watcher.note_failure(problem)
            raise
        finally:
            watcher.close(is_finished=is_finished)


@dataclass
class _Watcher:
    """What is shown of one sitting, begun at its first iteration: before that, another process may own the run."""

    reporter: Reporter
    order: FoldOrder
    advance: Advance
    latest: Epoch | None = None
    trackers: dict[str, Tracker] = field(default_factory=dict)
    is_begun: bool = False
    draws: bool = True
    drawn_s: float = field(default_factory=time.monotonic)

    def on_step(self, step: Step) -> None:
        """After every iteration: the note beside the bar."""
        if not self.is_begun:
            self._begin()
        if step.problem is not None:
            self.reporter.warn(f"Skipped an iteration. {step.problem}")
        self.advance(step.share, write_note(step, self.latest, self.order.settings.memory_gb.value))

    def on_epoch(self, epoch: Epoch) -> None:
        """After every epoch: the trackers, and the picture if the last one is old enough."""
        self.latest = epoch
        scalars = list_scalars(epoch) | {"predicted_memory_gb": self.order.settings.memory_gb.value}
        for name, tracker in list(self.trackers.items()):
            self._track(name, partial(tracker.record, epoch.iteration, scalars))
        if epoch.whole_case_dice is not None:
            self.reporter.say(f"Whole validation cases, epoch {epoch.epoch}: mean Dice {epoch.whole_case_dice:.4f}.")
        if time.monotonic() - self.drawn_s >= DRAW_EVERY_S:
            self._draw()

    def close(self, *, is_finished: bool) -> None:
        """The last picture, and the trackers' ends."""
        if is_finished:
            self._draw()
        for name, tracker in list(self.trackers.items()):
            self._track(name, partial(tracker.close, is_finished=is_finished))

    def note_failure(self, problem: Exception) -> None:
        """Keep what ended the training."""
        is_known = isinstance(problem, AutosegError)
        sentence = str(problem) if is_known else f"{type(problem).__name__}: {problem}"
        write_text(self.order.run.root / FAILURE, sentence.strip() + "\n")

    def _begin(self) -> None:
        self.is_begun = True
        run = self.order.run
        (run.root / FAILURE).unlink(missing_ok=True)
        run.report.unlink(missing_ok=True)  # of the weights before; not earlier, for the training might be refused
        history = read_history(run.history)
        self.latest = history[-1] if history else None
        iteration = self.latest.iteration if self.latest else 0
        for name, address in self.order.tracking.addresses.items():
            self._track(name, partial(self._open, name, TrackerFolder(run.root, self.order.what, iteration, address)))

    def _open(self, name: str, place: TrackerFolder) -> None:
        self.trackers[name] = open_tracker(name, place)
        self.trackers[name].begin(list_parameters(self.order))

    def _track(self, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as problem:  # of whatever kind: a tracker is another program's, and no training may end by it
            self.trackers.pop(name, None)
            first = (str(problem).splitlines() or [""])[0]
            self.reporter.warn(f"--{name}: gave up ({type(problem).__name__}: {first}). Training goes on without it.")

    def _draw(self) -> None:
        history = read_history(self.order.run.history) if self.draws else ()
        if not history:
            return
        self.drawn_s = time.monotonic()
        try:
            predicted_gb = self.order.settings.memory_gb.value
            draw_progress(history, self.order.run.progress, title=self.order.what, predicted_gb=predicted_gb)
        except OSError as problem:
            self.draws = False
            self.reporter.warn(f"{self.order.run.progress}: cannot be drawn ({problem}). Training goes on without it.")


def list_parameters(order: FoldOrder) -> dict[str, Any]:
    """What is trained, by name: the plan's values of the configuration, without forecasts, and what was asked for."""
    decided = {key: decision.value for key, decision in walk_decisions(order.settings) if not is_forecast(key)}
    asked = {"configuration": order.configuration, "fold": order.fold, "seed": order.seed, "length": order.length}
    shown = {**decided, **asked, "dataset": order.plan.dataset, "device": order.device}
    return {key: _shorten(value) for key, value in shown.items()}


def _shorten(value: Any) -> Any:
    """A record as `name=value`, without what is not set."""
    if not hasattr(value, "model_dump"):
        return value
    return ", ".join(f"{name}={item}" for name, item in value.model_dump().items() if item is not None)
