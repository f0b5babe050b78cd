"""A training is watched without ever being ended by those who watch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoseg import tracking
from autoseg.data.splits import Split
from autoseg.errors import NumericalError, UsageError, WorkspaceError
from autoseg.pipeline import watching
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.reporting import Advance, Reporter
from autoseg.pipeline.watching import Tracking, list_parameters, watch
from autoseg.planning.choices import Length
from autoseg.planning.plan_file import read_plan
from autoseg.training.history import Epoch, append_epoch
from autoseg.training.watching import Step
from autoseg.workspace import FAILURE, Run

PLANS = Path(__file__).resolve().parents[2] / "plans"
STEP = Step(
    iteration=1,
    share=0.25,
    spent_s=1.0,
    loss=1.0,
    terms={},
    learning_rate=0.01,
    iteration_s=0.5,
    waiting_share=0.0,
    memory_gb=1.0,
)
EPOCH = Epoch(
    epoch=1,
    iteration=10,
    spent_s=20.0,
    share=0.25,
    learning_rate=0.01,
    loss=1.0,
    terms={},
    validation_dice={"tumour": 0.5},
    iteration_s=0.5,
    waiting_share=0.0,
    memory_gb=1.0,
)


class Screen(Reporter):
    """Remembers notes and warnings."""

    def __init__(self) -> None:
        self.notes: list[tuple[float, str]] = []
        self.warned: list[str] = []

    def warn(self, sentence: str) -> None:
        self.warned.append(sentence)

    @contextmanager
    def follow(self, what: str, total: float) -> Iterator[Advance]:
        yield lambda done, note="": self.notes.append((done, note))


class Notebook:
    """A tracker that remembers; it fails at the iterations that it is told to."""

    def __init__(self, fails_at: int = -1) -> None:
        self.parameters: Mapping[str, Any] = {}
        self.recorded: list[tuple[int, Mapping[str, float]]] = []
        self.fails_at, self.finished = fails_at, None

    def begin(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = parameters

    def record(self, iteration: int, scalars: Mapping[str, float]) -> None:
        if iteration == self.fails_at:
            raise ConnectionError("the server is gone")
        self.recorded.append((iteration, scalars))

    def close(self, *, is_finished: bool) -> None:
        self.finished = is_finished


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def order(tmp_path: Path) -> FoldOrder:
    return FoldOrder(
        plan=read_plan(PLANS / "sarcoma_ct.yaml"),
        configuration="3d_fullres",
        fold=0,
        split=Split(train=("a",), validation=("b",)),
        store=tmp_path,
        run=Run(tmp_path / "fold_0"),
        length=Length(n_iterations=40, iterations_per_epoch=10),
        device="cpu",
    )


def track_in(notebook: Notebook, monkeypatch: pytest.MonkeyPatch, order: FoldOrder) -> FoldOrder:
    monkeypatch.setitem(tracking.TRACKERS, "tensorboard", lambda place: notebook)
    monkeypatch.setattr(watching, "open_tracker", lambda name, place: tracking.TRACKERS[name](place))
    monkeypatch.setattr(watching, "refuse_missing_package", lambda name: None)
    return replace(order, tracking=Tracking(tensorboard=True))


def end_with(problem: BaseException, screen: Screen, order: FoldOrder) -> None:
    """A training that ends so after its first iteration."""
    with watch(screen, order) as watched:
        watched.on_step(STEP)
        raise problem


def test_note_follows_every_iteration(screen: Screen, order: FoldOrder) -> None:
    with watch(screen, order) as watched:
        watched.on_step(STEP)
        watched.on_epoch(EPOCH)
        watched.on_step(replace(STEP, share=0.5))
    (first, before), (second, after) = screen.notes
    assert (first, second) == (0.25, 0.5)
    assert "Dice" not in before
    assert "Dice 0.500" in after
    assert f"1.00/{order.settings.memory_gb.value:.2f} GB" in after


def test_continued_training_shows_the_dice_it_had(screen: Screen, order: FoldOrder) -> None:
    append_epoch(order.run.history, EPOCH)
    with pytest.raises(KeyboardInterrupt):
        end_with(KeyboardInterrupt(), screen, order)
    assert "Dice 0.500" in screen.notes[0][1]
    assert not (order.run.root / FAILURE).exists()


def test_skipped_iteration_is_said(screen: Screen, order: FoldOrder) -> None:
    with watch(screen, order) as watched:
        watched.on_step(replace(STEP, problem="The loss is nan."))
    assert screen.warned == ["Skipped an iteration. The loss is nan."]


def test_picture_is_drawn_at_the_end(screen: Screen, order: FoldOrder) -> None:
    with watch(screen, order) as watched:
        append_epoch(order.run.history, EPOCH)
        watched.on_epoch(EPOCH)
        assert not order.run.progress.exists()  # the next one is not due yet
    assert order.run.progress.stat().st_size > 10_000


def test_failure_is_kept_until_the_fold_is_trained_again(screen: Screen, order: FoldOrder) -> None:
    with pytest.raises(NumericalError):
        end_with(NumericalError("The loss is nan."), screen, order)
    assert (order.run.root / FAILURE).read_text() == "The loss is nan.\n"
    with watch(screen, order) as watched:
        watched.on_step(STEP)
    assert not (order.run.root / FAILURE).exists()


def test_refused_second_training_leaves_no_trace(screen: Screen, order: FoldOrder) -> None:
    with pytest.raises(WorkspaceError), watch(screen, order):
        raise WorkspaceError("another process is training this fold.")
    assert not order.run.root.exists()


def test_tracker_gets_parameters_and_epochs(screen: Screen, order: FoldOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook()
    with watch(screen, track_in(notebook, monkeypatch, order)) as watched:
        watched.on_step(STEP)
        watched.on_epoch(EPOCH)
    assert notebook.parameters["batch_size"] == order.settings.batch_size.value
    ((iteration, scalars),) = notebook.recorded
    assert (iteration, scalars["dice/tumour"], notebook.finished) == (10, 0.5, True)


def test_tracker_that_fails_is_dropped_after_one_warning(
    screen: Screen, order: FoldOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook(fails_at=10)
    with watch(screen, track_in(notebook, monkeypatch, order)) as watched:
        watched.on_step(STEP)
        watched.on_epoch(EPOCH)
        watched.on_epoch(EPOCH.model_copy(update={"iteration": 20}))
    assert notebook.recorded == []
    assert len(screen.warned) == 1
    assert "the server is gone" in screen.warned[0]


def test_missing_package_is_one_line_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoseg.tracking.trackers.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install autoseg\[tensorboard\]"):
        Tracking(tensorboard=True)
    with pytest.raises(UsageError, match=r"pip install autoseg\[mlflow\]"):
        Tracking(mlflow="http://localhost:5000")
    assert Tracking().addresses == {}


def test_parameters_are_the_plans_values_without_forecasts(order: FoldOrder) -> None:
    parameters = list_parameters(order)
    assert parameters["patch_size"] == order.settings.patch_size.value
    assert parameters["length"] == "n_iterations=40, iterations_per_epoch=10"
    assert "memory_gb" not in parameters
