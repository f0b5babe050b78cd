"""What is equal for all methods: above all, the patches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autoseg.decision import fixed
from autoseg.pipeline.benchmarking.entering import enter, make_task
from autoseg.pipeline.benchmarking.fairness import (
    TRIAL_FACTORS,
    TRIAL_SHARE,
    level_plan,
    list_differing,
    list_settings,
    list_trial_rates,
    phrase_equal,
    plan_method,
)
from autoseg.pipeline.benchmarking.grounds import CommonGround
from autoseg.pipeline.benchmarking.methods import parse_methods
from autoseg.pipeline.benchmarking.running import NetworkRun
from autoseg.pipeline.folds import make_job
from autoseg.pipeline.sittings import Sitting
from autoseg.planning.choices import EarlyStopping, PatchStep
from autoseg.training.batches import Batch
from autoseg.training.job import TrainingJob, plan_batches

N_BATCHES = 4


def make_training(ground: CommonGround, method: str, *, fold: int, seed: int) -> TrainingJob:
    """The very job that a run of a method trains."""
    (contender,) = parse_methods([method], {})
    run = make_task(ground, enter(ground, contender), fold, seed, n_jobs=1).function
    assert isinstance(run, NetworkRun)
    order = run.make_order("cpu")
    return make_job(ground.project, order, Sitting(order.length, None, ""))


def draw(job: TrainingJob, *, share: float = 0.0) -> list[Batch]:
    """The first batches, when a share of the training is spent; which process makes them does not matter."""
    batches = [plan_batches(job)(share).make(index) for index in range(N_BATCHES)]
    return [batch for batch in batches if isinstance(batch, Batch)]


def are_equal(one: list[Batch], other: list[Batch]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(
        np.array_equal(a.image, b.image) and np.array_equal(a.segmentation, b.segmentation) and a.places == b.places
        for a, b in pairs
    )


def test_two_methods_see_the_same_patches_whatever_their_networks_and_speed(ground: CommonGround) -> None:
    unet, fcn = (make_training(ground, method, fold=1, seed=1) for method in ("unet", "fcn8s"))
    seen = draw(unet)
    assert unet.settings.network.value != fcn.settings.network.value
    assert are_equal(seen, draw(fcn))
    assert are_equal(seen, draw(fcn, share=0.9))  # of a network so slow that its time is almost over
    assert not are_equal(seen[:1], seen[1:2])


def test_another_seed_or_fold_sees_other_patches(ground: CommonGround) -> None:
    seen = draw(make_training(ground, "unet", fold=0, seed=0))
    assert not are_equal(seen, draw(make_training(ground, "unet", fold=0, seed=1)))
    assert not are_equal(seen, draw(make_training(ground, "unet", fold=1, seed=0)))


def test_what_would_depend_on_speed_is_off_for_all(ground: CommonGround) -> None:
    settings = ground.settings
    step = PatchStep(until_share=0.5, patch_size=(8, 8, 8), batch_size=4)
    uneven = settings.model_copy(
        update={"patch_schedule": fixed((step,), "faster"), "early_stopping": fixed(EarlyStopping(), "shorter")}
    )
    plan = ground.plan.model_copy(update={"configurations": {ground.configuration: uneven}})
    level = level_plan(plan, ground.configuration, "fixed").find_configuration(ground.configuration)
    assert (level.patch_schedule.value, level.early_stopping.value) == ((), None)
    assert level.digest == settings.digest


def test_a_method_differs_by_its_network_and_what_belongs_to_it(ground: CommonGround) -> None:
    name = ground.configuration
    of_all = {
        method: list_settings(plan_method(ground.plan, name, method).find_configuration(name))
        for method in ("unet", "residual_unet")
    }
    differing = set(list_differing(of_all, ("memory_gb", "prediction_memory_gb", "iteration_s", "fold_hours")))
    assert differing == {"network", "blocks"}


def test_trials_and_training_spend_the_budget_together(ground: CommonGround) -> None:
    base = ground.settings.optimizer.value.learning_rate
    assert base in list_trial_rates(ground.settings)
    assert len(TRIAL_FACTORS) * TRIAL_SHARE < 0.5
    rate = level_plan(ground.plan, ground.configuration, 0.25).find_configuration(ground.configuration)
    assert rate.optimizer.value.learning_rate == 0.25


def test_what_is_equal_is_said(ground: CommonGround) -> None:
    alone = " ".join(phrase_equal(ground.plan, ground.configuration, ground.terms, ground.chosen, 1))
    for words in ("6 validation cases (fold 0, 1)", "2 iterations for each method", "same patches in the same order"):
        assert words in alone
    assert "From elsewhere" not in alone
    crowded = replace(ground.terms, budget=replace(ground.terms.budget, kind="time", amount=60.0))
    told = " ".join(phrase_equal(ground.plan, ground.configuration, crowded, ground.chosen, 2))
    assert "2 runs went side by side with equal shares of the cores, so that a second of training is less" in told
    for left_out in ("the first iteration of a sitting", "looks at validation patches", "saving"):
        assert left_out in told


def test_of_predictions_from_elsewhere_nothing_is_claimed(ground: CommonGround) -> None:
    heads = {"unet": 2, "fcn8s": 1}
    told = phrase_equal(
        ground.plan, ground.configuration, ground.terms, ground.chosen, 1, outside=["nnunet"], n_heads=heads
    )
    assert "From elsewhere: nnunet. autoseg cannot know what these learned from" in told[1]
    assert not [sentence for sentence in told if "all methods learn" in sentence]
    assert any(sentence.endswith("supervised at all of them (unet 2, fcn8s 1).") for sentence in told)
