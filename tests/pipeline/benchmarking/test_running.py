"""A budget of time is spent on iterations, whatever else a training does; runs of any two seeds or folds differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest

from autoseg.pipeline.benchmarking import executing, running
from autoseg.pipeline.benchmarking.comparing import compare_methods
from autoseg.pipeline.benchmarking.grounds import CommonGround
from autoseg.pipeline.benchmarking.records import read_finished
from autoseg.pipeline.benchmarking.running import seed_run
from autoseg.pipeline.project import Project
from autoseg.planning.choices import Length
from autoseg.training import loop
from autoseg.training.history import read_history
from autoseg.training.job import TrainingJob
from autoseg.workspace import Run
from tests.pipeline.benchmarking.test_fairness import are_equal, draw, make_training

STEP_S, LOOK_S, COLD_S, SAVE_S = 1.0, 100.0, 50.0, 200.0


def taking(now: list[float], seconds: Iterator[float], act: Callable[..., Any]) -> Callable[..., Any]:
    """The same, after so many seconds on a clock that stands still otherwise."""

    def do(*args: Any, **options: Any) -> Any:
        now[0] += next(seconds)
        return act(*args, **options)

    return do


@pytest.mark.parametrize(
    ("alone", "n_iterations"),
    [
        (True, 11),  # ten, and the first, which may have compiled
        (False, 4),  # a third of the time, and then the look at validation patches takes all the rest
    ],
)
def test_looks_at_validation_patches_and_the_first_iteration_take_no_time_from_it(
    ground: CommonGround, monkeypatch: pytest.MonkeyPatch, alone: bool, n_iterations: int
) -> None:
    now = [0.0]
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(loop, "take_step", taking(now, repeat(STEP_S), loop.take_step))
    monkeypatch.setattr(loop, "measure_patch_dice", taking(now, repeat(LOOK_S), loop.measure_patch_dice))
    job = make_training(ground, "unet", fold=0, seed=0)
    facts = loop.train(replace(job, length=Length(train_time_s=10.0), times_iterations_alone=alone)).facts
    assert facts["iterations"] == n_iterations
    assert facts["spent_s"] == (10.0 if alone else 4.0 + LOOK_S)


@pytest.mark.parametrize(
    ("alone", "n_iterations", "iteration_s"),
    [
        (True, 11, STEP_S),  # the first one and the saves on the way, at every second iteration, are left out
        (False, 1, COLD_S),  # the first one was longer than the budget
    ],
)
def test_saves_on_the_way_take_no_time_and_a_cold_iteration_is_no_measure(
    ground: CommonGround, monkeypatch: pytest.MonkeyPatch, alone: bool, n_iterations: int, iteration_s: float
) -> None:
    now = [0.0]
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(loop, "SAVE_EVERY_S", 1.5)
    monkeypatch.setattr(loop, "take_step", taking(now, chain([COLD_S], repeat(STEP_S)), loop.take_step))
    monkeypatch.setattr(loop, "write_state", taking(now, repeat(SAVE_S), loop.write_state))
    job = make_training(ground, "unet", fold=0, seed=0)
    facts = loop.train(replace(job, length=Length(train_time_s=10.0), times_iterations_alone=alone)).facts
    assert facts["iterations"] == n_iterations
    assert {epoch.iteration_s for epoch in read_history(job.history)} == {iteration_s}


def test_all_folds_and_seeds_are_independent_and_methods_agree(ground: CommonGround) -> None:
    places = [(fold, seed) for fold in (0, 1) for seed in (0, 1)]
    unets = [make_training(ground, "unet", fold=fold, seed=seed) for fold, seed in places]
    fcns = [make_training(ground, "fcn8s", fold=fold, seed=seed) for fold, seed in places]
    assert len({job.seed for job in unets}) == 4
    assert [job.seed for job in fcns] == [job.seed for job in unets]
    assert [are_equal(draw(unet), draw(fcn)) for unet, fcn in zip(unets, fcns, strict=True)] == [True] * 4
    assert min(seed_run(seed, fold) for seed in range(100) for fold in range(5)) >= 0
    assert len({seed_run(seed, fold) for seed in range(100) for fold in range(5)}) == 500


def test_who_augments_is_settled_once_before_any_run_begins(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that share a GPU would all measure at once, and each with neighbours."""
    order: list[str] = []

    def settle(project: Project, job: TrainingJob) -> str:
        order.append("settled")
        return "workers"

    real = executing.run_in_parallel

    def run(*args: Any, **options: Any) -> Any:
        order.append("began")
        return real(*args, **options)

    monkeypatch.setattr(running, "settle_engine", settle)
    monkeypatch.setattr(executing, "run_in_parallel", run)
    compare_methods(small, ["unet"], folds=("0", "1"), n_iterations=2)
    assert order == ["settled", "began", "settled", "settled"]
    compare_methods(small, ["unet"], folds=("0", "1"), n_iterations=2)
    assert len(order) == 4  # nothing to be run, nothing to be settled


def test_a_run_keeps_its_circumstances(small: Project) -> None:
    compare_methods(small, ["unet", "mean_shape"], n_iterations=2)
    (path,) = small.workspace.benchmark.glob("unet-*/seed_0/fold_0")
    finished = read_finished(Run(path))
    assert finished is not None
    assert finished.circumstances is not None
    assert finished.circumstances.engine == "workers"
    assert (finished.circumstances.n_jobs, finished.circumstances.memory_layout) == (1, "channels_last")
