"""Training on a few small cases: exact, sized, resumed, extended, ended early, and stopped by what is not finite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autoseg.decision import fixed
from autoseg.errors import NumericalError, WorkspaceError
from autoseg.networks.checkpoint import Checkpoint
from autoseg.networks.pretrained import Pretrained
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.preparing import ensure_preprocessed, ensure_splits
from autoseg.pipeline.project import Project
from autoseg.planning.choices import Blocks, EarlyStopping, Length, PatchStep, Topology
from autoseg.training import loop
from autoseg.training.continuing import read_saved
from autoseg.training.history import Epoch, read_history
from autoseg.training.inputs import Inputs
from autoseg.training.job import TrainingJob, plan_batches
from autoseg.training.loop import train
from autoseg.training.schedule import learning_rate_at
from autoseg.training.watching import Step, Watching

TOPOLOGY = Topology(strides=((1, 1, 1), (1, 2, 2)), kernel_sizes=((1, 3, 3), (3, 3, 3)))
SMALL = {
    "patch_size": (8, 24, 16),
    "batch_size": 2,
    "topology": TOPOLOGY,
    "features": (4, 8),
    "blocks": Blocks(encoder=(1, 1), decoder=(1,)),
    "dropout": 0.2,
}
MakeJob = Callable[..., TrainingJob]


def of_iterations(n: int) -> Length:
    return Length(n_iterations=n, iterations_per_epoch=3)


@pytest.fixture
def make_job(trained: Project, tmp_path: Path) -> MakeJob:
    """A job of a few iterations in a folder of its own."""
    plan = ensure_plan(trained)
    store = ensure_preprocessed(trained, plan, ["3d_fullres"])["3d_fullres"]
    split = ensure_splits(trained, plan)[0]

    def make(name: str, n_iterations: int = 8, **values: Any) -> TrainingJob:
        chosen = {key: fixed(value, "for a test") for key, value in {**SMALL, **values}.items()}
        settings = plan.find_configuration("3d_fullres").model_copy(update=chosen)
        folder = tmp_path / name
        return TrainingJob(
            plan=plan.model_copy(update={"configurations": {"3d_fullres": settings}}),
            configuration="3d_fullres",
            fold="0",
            train_ids=split.train,
            validation_ids=split.validation,
            store=store,
            checkpoint=folder / "checkpoint.safetensors",
            resume=folder / "resume.safetensors",
            history=folder / "history.jsonl",
            lock=folder / "running.lock",
            length=of_iterations(n_iterations),
            device=torch.device("cpu"),
            n_workers=0,
        )

    return make


def is_same(one: Checkpoint, other: Checkpoint) -> bool:
    return all(torch.equal(tensor, other.weights[name]) for name, tensor in one.weights.items())


def stop_after(iteration: int) -> Watching:
    """Somebody pulls the plug: no state is saved for it."""

    def on_step(step: Step) -> None:
        if step.iteration == iteration:
            raise ConnectionError("the plug was pulled")

    return Watching(on_step)


def test_the_same_job_gives_the_same_weights_and_another_seed_others(make_job: MakeJob) -> None:
    one, other = train(make_job("one")), train(make_job("other"))
    assert is_same(one, other)
    assert not is_same(one, train(replace(make_job("third"), seed=1)))


@pytest.mark.parametrize("iteration", [2, 3, 4, 7])
def test_a_run_that_was_cut_off_ends_with_the_same_weights_and_history(make_job: MakeJob, iteration: int) -> None:
    whole, job = train(make_job("whole")), make_job("cut")
    with pytest.raises(ConnectionError):
        train(job, stop_after(iteration))
    assert is_same(whole, train(job))
    told, expected = read_history(job.history), read_history(make_job("whole").history)
    assert [(epoch.epoch, epoch.iteration, epoch.loss, epoch.terms) for epoch in told] == [
        (epoch.epoch, epoch.iteration, epoch.loss, epoch.terms) for epoch in expected
    ]


def test_an_interruption_saves_within_the_epoch_and_loses_nothing_of_its_sums(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, job = train(make_job("whole")), make_job("interrupted")
    asks = iter([False] * 4 + [True])
    monkeypatch.setattr(loop._Run, "agree_on_interruption", lambda run: next(asks, False))
    with pytest.raises(KeyboardInterrupt):
        train(job)
    saved = read_saved(job.resume)
    assert saved is not None
    assert (saved.iteration, saved.is_finished) == (4, False)
    assert is_same(whole, train(job))
    assert [epoch.loss for epoch in read_history(job.history)] == [
        epoch.loss for epoch in read_history(make_job("whole").history)
    ]


def test_a_finished_run_is_extended_along_the_longer_schedule(make_job: MakeJob) -> None:
    job = make_job("extended", 6)
    train(job)
    rates: list[float] = []
    longer = replace(job, length=of_iterations(12), base_length=job.length)
    checkpoint = train(longer, Watching(lambda step: rates.append(step.learning_rate)))
    settings = job.settings.optimizer.value
    assert rates == pytest.approx([learning_rate_at(share / 12, settings) for share in range(6, 12)])
    assert checkpoint.facts["iterations"] == 12
    assert [epoch.iteration for epoch in read_history(job.history)] == [3, 6, 9, 12]
    with pytest.raises(WorkspaceError, match="begun with another length"):
        train(replace(job, length=of_iterations(30)))


def test_a_time_is_spent_and_not_exceeded_by_more_than_what_follows_the_last_iteration(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(np.arange(0, 1000, 0.125))
    monkeypatch.setattr(loop.time, "monotonic", lambda: float(next(now)))  # type: ignore[attr-defined]
    steps: list[Step] = []
    checkpoint = train(replace(make_job("timed"), length=Length(train_time_s=12.0)), Watching(steps.append))
    assert steps[-1].learning_rate < 0.2 * max(step.learning_rate for step in steps)
    assert 12.0 <= checkpoint.facts["spent_s"] < 12.0 + 1.0


def test_a_patch_schedule_begins_with_small_patches_and_ends_with_whole_ones(make_job: MakeJob) -> None:
    step = PatchStep(until_share=0.5, patch_size=(8, 12, 8), batch_size=6)
    job = make_job("growing", 6, patch_schedule=(step,))
    seen: list[tuple[int, ...]] = []
    whole = loop.place_batch

    def look(*args: Any) -> Inputs:
        inputs = whole(*args)
        seen.append(tuple(inputs.image.shape))
        return inputs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "place_batch", look)
        train(job)
    assert seen == [(6, 1, 8, 12, 8)] * 3 + [(2, 1, 8, 24, 16)] * 3
    assert plan_batches(job)(0.5).patch_size == (8, 24, 16)


def test_a_plateau_ends_training_with_the_weights_of_the_best_check(make_job: MakeJob) -> None:
    job = make_job("plateau", 60, early_stopping=EarlyStopping(check_every=1, patience=2, min_gain=0.01))
    scores, kept = iter([0.5, 0.6, 0.605, 0.1]), []

    def score(network: nn.Module) -> float:
        kept.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return next(scores)

    checkpoint = train(job, Watching(score_cases=score))
    assert [epoch.whole_case_dice for epoch in read_history(job.history)] == [0.5, 0.6, 0.605, 0.1]
    assert all(torch.equal(tensor, kept[1][name]) for name, tensor in checkpoint.weights.items())
    assert checkpoint.facts["ended_early_at"] == 0.6


def spoil(monkeypatch: pytest.MonkeyPatch, iterations: set[int]) -> None:
    """Batches of these iterations hold a NaN."""
    place, made = loop.place_batch, iter(range(1, 100))

    def place_spoilt(*args: Any) -> Inputs:
        inputs = place(*args)
        if next(made) in iterations:
            inputs.image[0, 0, 0, 0, 0] = torch.nan
        return inputs

    monkeypatch.setattr(loop, "place_batch", place_spoilt)


def test_one_bad_batch_is_skipped_and_told(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, {2})
    steps: list[Step] = []
    epochs: list[Epoch] = []
    train(make_job("skipping", 6), Watching(steps.append, epochs.append))
    assert [step.problem is not None for step in steps] == [False, True, False, False, False, False]
    assert "phantom_" in str(steps[1].problem)
    assert [epoch.n_skipped for epoch in epochs] == [1, 0]
    assert all(np.isfinite(epoch.loss) for epoch in epochs)


def test_a_second_one_ends_training_with_the_places_of_its_patches(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {2, 3})
    with pytest.raises(NumericalError, match=r"nan \(.*\) in iteration 3\. The batch held patches of: phantom_\d+ at"):
        train(make_job("bad", 6))


def test_training_begins_with_pretrained_weights_and_says_what_fits(make_job: MakeJob) -> None:
    first, notes = train(make_job("first")), []
    pretrained = Pretrained(first.weights, n_channels=1, where="first.safetensors")
    job = replace(make_job("second", 1), pretrained=pretrained)
    settings = job.settings.optimizer.value
    still = job.settings.optimizer.model_copy(update={"value": settings.model_copy(update={"learning_rate": 0.0})})
    plan = job.plan.model_copy(
        update={"configurations": {"3d_fullres": job.settings.model_copy(update={"optimizer": still})}}
    )
    second = train(replace(job, plan=plan), Watching(on_note=notes.append))
    assert all(torch.allclose(tensor, second.weights[name]) for name, tensor in first.weights.items())
    assert "100% of the network's values are pretrained" in notes[0]
    assert second.facts["pretrained"] == "first.safetensors"


def test_a_run_that_ended_on_a_plateau_can_be_extended(make_job: MakeJob) -> None:
    job = make_job("flat", 60, early_stopping=EarlyStopping(check_every=1, patience=1, min_gain=0.01))
    flat = Watching(score_cases=lambda network: 0.5)
    assert train(job, flat).facts["iterations"] == 6
    rising = iter([0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
    longer = replace(job, length=of_iterations(12), base_length=job.length)
    assert train(longer, Watching(score_cases=lambda network: next(rising))).facts["iterations"] == 12


def test_a_check_without_a_dice_is_none(make_job: MakeJob) -> None:
    job = make_job("unscored", 9, early_stopping=EarlyStopping(check_every=1, patience=1, min_gain=0.0))
    scores = iter([float("nan"), 0.5, 0.5])
    checkpoint = train(job, Watching(score_cases=lambda network: next(scores)))
    assert (checkpoint.facts["iterations"], checkpoint.facts["ended_early_at"]) == (9, 0.5)


def test_an_interruption_of_the_very_last_iteration_keeps_the_last_epoch(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, job = train(make_job("whole", 6)), make_job("last", 6)
    asks = iter([False] * 6 + [True])  # the fourth question is asked at the end of the first epoch
    monkeypatch.setattr(loop._Run, "agree_on_interruption", lambda run: next(asks, False))
    with pytest.raises(KeyboardInterrupt):
        train(job)
    assert is_same(whole, train(job))
    assert [epoch.iteration for epoch in read_history(job.history)] == [3, 6]


COUNTING = '''
import torch


class Counting(torch.optim.SGD):
    """SGD that goes slower with every step, and keeps count in its group."""

    def step(self, closure=None):
        group = self.param_groups[0]
        group["n_steps"] = group.get("n_steps", 0) + 1
        group["lr"] = group["lr"] / group["n_steps"]
        return super().step(closure)
'''


def test_an_optimiser_that_changes_its_own_numbers_goes_on_with_them(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "counting_sgd.py").write_text(COUNTING)
    monkeypatch.syspath_prepend(tmp_path)
    published = make_job("any").settings.optimizer.value
    optimizer = published.model_copy(update={"name": "counting_sgd:Counting"})
    whole = train(make_job("whole", optimizer=optimizer))
    job = make_job("cut", optimizer=optimizer)
    with pytest.raises(ConnectionError):
        train(job, stop_after(4))
    assert is_same(whole, train(job))
