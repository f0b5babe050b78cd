"""The learning rate is a function of the share that is spent."""

from __future__ import annotations

import pytest

from autoseg.errors import PlanError
from autoseg.planning.choices import Optimizer
from autoseg.training.schedule import SCHEDULES, learning_rate_at

SGD = Optimizer(name="sgd", learning_rate=0.01, weight_decay=3e-5)
COSINE = Optimizer(name="adamw", learning_rate=0.004, weight_decay=0.01, schedule="cosine", warmup_share=0.1)


def test_polynomial_decay_as_published() -> None:
    assert [learning_rate_at(share, SGD) for share in (0, 0.5, 1)] == pytest.approx([0.01, 0.01 * 0.5**0.9, 0])


def test_cosine_warms_up_peaks_and_ends_at_zero() -> None:
    rates = [learning_rate_at(share, COSINE) for share in (0.05, 0.1, 0.55, 1.0)]
    assert rates == pytest.approx([0.002, 0.004, 0.002, 0.0])


@pytest.mark.parametrize("name", SCHEDULES)
def test_no_schedule_rises_and_shares_beyond_the_end_change_nothing(name: str) -> None:
    settings = SGD.model_copy(update={"schedule": name})
    rates = [learning_rate_at(share / 50, settings) for share in range(51)]
    assert rates == sorted(rates, reverse=True)
    assert (learning_rate_at(1.2, settings), learning_rate_at(-0.2, settings)) == (rates[-1], rates[0])


def test_a_schedule_of_ones_own_runs_after_the_warm_up() -> None:
    """`math.sqrt` is one as good as any."""
    settings = COSINE.model_copy(update={"schedule": "math:sqrt"})
    rates = [learning_rate_at(share, settings) for share in (0.05, 0.1, 0.325, 1.0)]
    assert rates == pytest.approx([0.002, 0.0, 0.002, 0.004])


def test_a_schedule_of_ones_own_must_give_a_factor() -> None:
    with pytest.raises(PlanError, match=r"operator:neg is -0\.5 at 0\.5, but must be"):
        learning_rate_at(0.5, SGD.model_copy(update={"schedule": "operator:neg"}))
    with pytest.raises(PlanError, match=r"optimizer.schedule: math:sqroot: there is no sqroot in math"):
        learning_rate_at(0.5, SGD.model_copy(update={"schedule": "math:sqroot"}))


def test_an_unknown_schedule_is_named_with_its_neighbour() -> None:
    with pytest.raises(PlanError, match=r"cosin is not known. Did you mean cosine"):
        learning_rate_at(0.5, COSINE.model_copy(update={"schedule": "cosin"}))
