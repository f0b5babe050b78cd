"""A budget of time is spent on iterations, whatever else a training does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from autoseg.pipeline.benchmarking.grounds import CommonGround
from autoseg.planning.choices import Length
from autoseg.training import loop
from tests.pipeline.benchmarking.test_fairness import make_training

STEP_S, LOOK_S = 1.0, 100.0


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

    def taking(seconds: float, act: Callable[..., Any]) -> Callable[..., Any]:
        def do(*args: Any, **options: Any) -> Any:
            now[0] += seconds
            return act(*args, **options)

        return do

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(loop, "take_step", taking(STEP_S, loop.take_step))
    monkeypatch.setattr(loop, "measure_patch_dice", taking(LOOK_S, loop.measure_patch_dice))
    job = make_training(ground, "unet", fold=0, seed=0)
    facts = loop.train(replace(job, length=Length(train_time_s=10.0), times_iterations_alone=alone)).facts
    assert facts["iterations"] == n_iterations
    assert facts["spent_s"] == (10.0 if alone else 4.0 + LOOK_S)
