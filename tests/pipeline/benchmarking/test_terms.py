"""One budget, one way to choose a learning rate, and seeds that are all different."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoseg.errors import UsageError
from autoseg.pipeline.benchmarking.terms import (
    TrainingBudget,
    choose_budget,
    choose_seeds,
    parse_learning_rate,
)


def test_exactly_one_budget_is_given() -> None:
    assert choose_budget(train_time_s=60.0) == TrainingBudget("time", 60.0)
    for options in ({}, {"train_time_s": 1.0, "flops": 1.0}, {"n_iterations": 3, "flops": 2.0}):
        with pytest.raises(UsageError, match="give exactly one of --train-time, --iterations and --flops"):
            choose_budget(**options)
    with pytest.raises(UsageError, match="more than none"):
        choose_budget(flops=-1.0)


def test_operations_buy_as_many_steps_as_three_forward_passes_each_allow() -> None:
    """6e9 operations; a step of 4 patches at 1e7 takes 3 * 4 * 1e7 = 1.2e8 of them: 50 steps."""
    budget = TrainingBudget("flops", 6e9)
    assert budget.find_length(flops_per_patch=1e7, batch_size=4).n_iterations == 50
    assert budget.find_length(flops_per_patch=2e7, batch_size=4).n_iterations == 25
    with pytest.raises(UsageError, match="cannot be counted"):
        budget.find_length(flops_per_patch=float("nan"), batch_size=4)


def test_operations_that_buy_no_iteration_are_refused_and_none_is_spent_beyond_them() -> None:
    """A step of 4 patches at 1e7 takes 1.2e8: 2.3e8 buy one and not two, 1e8 buy none."""
    assert TrainingBudget("flops", 2.3e8).find_length(flops_per_patch=1e7, batch_size=4).n_iterations == 1
    with pytest.raises(UsageError, match=r"One iteration of it takes 1.2e\+08 .* more than the whole budget of 1e\+08"):
        TrainingBudget("flops", 1e8).find_length(flops_per_patch=1e7, batch_size=4)


@given(st.integers(20, 100_000), st.sampled_from(["iterations", "flops"]))
def test_trials_and_training_are_the_budget_to_the_iteration(n: int, kind: Literal["iterations", "flops"]) -> None:
    budget = TrainingBudget(kind, n if kind == "iterations" else n * 1.2e8)
    training, trial = budget.divide(flops_per_patch=1e7, batch_size=4, n_trials=4, trial_share=0.05)
    assert training.n_iterations is not None
    assert trial.n_iterations == n // 20
    assert training.n_iterations + 4 * trial.n_iterations == n


def test_a_search_needs_an_iteration_for_each_trial_and_shares_time_out() -> None:
    options = {"flops_per_patch": 1e7, "batch_size": 4, "n_trials": 4, "trial_share": 0.05}
    with pytest.raises(UsageError, match=r"buys 19 iterations of it.*20 iterations at least"):
        TrainingBudget("iterations", 19).divide(**options)
    training, trial = TrainingBudget("time", 60.0).divide(**options)
    assert (training.train_time_s, trial.train_time_s) == (48.0, 3.0)


def test_time_and_iterations_are_the_same_whatever_the_method() -> None:
    for flops in (1.0, 1e9, float("nan")):
        assert TrainingBudget("time", 60.0).find_length(flops_per_patch=flops, batch_size=2).train_time_s == 60
        assert TrainingBudget("iterations", 20).find_length(flops_per_patch=flops, batch_size=2).n_iterations == 20


def test_a_learning_rate_is_a_word_or_a_number() -> None:
    assert [parse_learning_rate(text) for text in ("fixed", "Search", "3e-4")] == ["fixed", "search", 3e-4]
    with pytest.raises(UsageError, match="Did you mean search"):
        parse_learning_rate("serach")
    with pytest.raises(UsageError, match="more than 0"):
        parse_learning_rate("0")


def test_seeds_are_counted_or_named() -> None:
    assert choose_seeds(n_seeds=3, seeds=()) == (0, 1, 2)
    assert choose_seeds(n_seeds=None, seeds=(7, 3)) == (7, 3)
    assert choose_seeds(n_seeds=None, seeds=()) == (0,)
    for n_seeds, seeds in ((2, (1,)), (None, (4, 4))):
        with pytest.raises(UsageError, match="--seed"):
            choose_seeds(n_seeds=n_seeds, seeds=seeds)
