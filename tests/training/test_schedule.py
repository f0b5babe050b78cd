"""The learning rate is a function of the share that is spent."""

from __future__ import annotations

import pytest

from autoseg.errors import PlanError
from autoseg.planning.choices import Length, Optimizer
from autoseg.training.schedule import count_epochs, is_epoch_over, learning_rate_at, share_spent

SGD = Optimizer(name="sgd", learning_rate=0.01, weight_decay=3e-5)
COSINE = Optimizer(name="adamw", learning_rate=0.004, weight_decay=0.01, schedule="cosine", warmup_share=0.1)
TEN_EPOCHS = Length(n_iterations=2400, iterations_per_epoch=250)


def test_polynomial_decay_as_published() -> None:
    assert [learning_rate_at(share, SGD) for share in (0, 0.5, 1)] == pytest.approx([0.01, 0.01 * 0.5**0.9, 0])


def test_cosine_warms_up_peaks_and_ends_at_zero() -> None:
    rates = [learning_rate_at(share, COSINE) for share in (0.05, 0.1, 0.55, 1.0)]
    assert rates == pytest.approx([0.002, 0.004, 0.002, 0.0])


def test_share_follows_time_or_iterations_and_stops_at_one() -> None:
    assert share_spent(Length(train_time_s=60), iteration=5, spent_s=15) == 0.25
    assert share_spent(TEN_EPOCHS, iteration=600, spent_s=9e9) == 0.25
    assert share_spent(Length(train_time_s=60), iteration=5, spent_s=61) == 1


def test_the_last_epoch_may_be_short() -> None:
    assert count_epochs(TEN_EPOCHS) == 10
    assert not is_epoch_over(TEN_EPOCHS, 9, iteration=2399, spent_s=0)
    assert is_epoch_over(TEN_EPOCHS, 9, iteration=2400, spent_s=0)


def test_an_unknown_schedule_is_named_with_its_neighbour() -> None:
    with pytest.raises(PlanError, match=r"cosin is not known. Did you mean cosine"):
        learning_rate_at(0.5, COSINE.model_copy(update={"schedule": "cosin"}))
