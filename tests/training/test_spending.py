"""How much of a training is spent, when an epoch is over, and how a training is made longer."""

from __future__ import annotations

import pytest

from autoseg.errors import UsageError
from autoseg.planning.choices import Length
from autoseg.training.spending import extend_length, is_epoch_over, share_spent

TEN_MINUTES = Length(train_time_s=600)
FIVE_HUNDRED = Length(n_iterations=500, iterations_per_epoch=100)


def test_the_share_is_that_of_the_clock_or_of_the_iterations_and_never_more_than_all() -> None:
    assert share_spent(TEN_MINUTES, iteration=10**6, spent_s=150) == 0.25
    assert share_spent(FIVE_HUNDRED, iteration=125, spent_s=1e9) == 0.25
    assert share_spent(TEN_MINUTES, iteration=0, spent_s=601) == 1.0


@pytest.mark.parametrize(("spent_s", "share", "over"), [(19.9, 0.1, False), (20.1, 0.1, True), (0.1, 1.0, True)])
def test_an_epoch_of_ten_minutes_takes_twenty_seconds_unless_the_time_is_up(
    spent_s: float, share: float, over: bool
) -> None:
    assert is_epoch_over(TEN_MINUTES, n_iterations=3, spent_s=spent_s, share=share) is over


@pytest.mark.parametrize(("n", "share", "over"), [(99, 0.5, False), (100, 0.5, True), (7, 1.0, True)])
def test_an_epoch_of_iterations_has_as_many_as_the_plan_says(n: int, share: float, over: bool) -> None:
    assert is_epoch_over(FIVE_HUNDRED, n_iterations=n, spent_s=1e9, share=share) is over


def test_a_length_grows_in_its_own_unit() -> None:
    assert extend_length(TEN_MINUTES, TEN_MINUTES, iteration_s=None).train_time_s == 1200
    longer = extend_length(FIVE_HUNDRED, Length(n_iterations=40), iteration_s=None)
    assert (longer.n_iterations, longer.iterations_per_epoch) == (540, 100)


def test_another_unit_is_brought_over_by_the_seconds_of_an_iteration() -> None:
    assert extend_length(FIVE_HUNDRED, Length(train_time_s=10), iteration_s=0.3).n_iterations == 534
    assert extend_length(TEN_MINUTES, Length(n_iterations=100), iteration_s=0.3).train_time_s == 630
    with pytest.raises(UsageError, match="no finished epoch"):
        extend_length(TEN_MINUTES, Length(n_iterations=100), iteration_s=None)
