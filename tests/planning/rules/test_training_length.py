from __future__ import annotations

from autoseg.planning.choices import Length
from autoseg.planning.rules.training_length import count_iterations, decide_length, decide_train_time


def test_a_cpu_has_an_hour_and_a_gpu_the_published_epochs() -> None:
    assert decide_train_time(device="cpu", wish_s=None, n_epochs=None).value == 3600
    assert decide_train_time(device="cuda", wish_s=None, n_epochs=None).value is None
    assert decide_length(train_time_s=None, n_epochs=None).value.n_iterations == 250_000


def test_a_wish_overrules_both() -> None:
    time = decide_train_time(device="cuda", wish_s=600.0, n_epochs=None)
    assert (time.value, time.source) == (600.0, "user")
    assert decide_train_time(device="cpu", wish_s=None, n_epochs=4).value is None


def test_a_time_leaves_the_iterations_to_the_loop_and_epochs_do_not() -> None:
    assert decide_length(train_time_s=600.0, n_epochs=None).value == Length(train_time_s=600.0)
    assert decide_length(train_time_s=None, n_epochs=4).value == Length(n_iterations=1000, iterations_per_epoch=250)


def test_iterations_are_counted_from_time_with_a_share_for_validation() -> None:
    assert count_iterations(Length(train_time_s=600.0), 0.5) == 1140
    assert count_iterations(Length(n_iterations=77), 0.5) == 77
