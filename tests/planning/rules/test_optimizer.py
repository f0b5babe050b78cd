from __future__ import annotations

from autoseg.planning.rules.optimizer import decide_optimizer


def test_long_schedules_are_taken_as_published() -> None:
    optimizer = decide_optimizer(n_iterations=25_000).value
    assert (optimizer.name, optimizer.learning_rate, optimizer.momentum) == ("sgd", 0.01, 0.99)
    assert (optimizer.weight_decay, optimizer.schedule, optimizer.ema_decay) == (3e-5, "polynomial", None)


def test_the_published_rule_has_one_optimizer_for_any_length() -> None:
    published = decide_optimizer(n_iterations=1, as_published=True)
    assert published.value == decide_optimizer(n_iterations=250_000).value


def test_short_ones_use_what_learns_faster_and_say_where_it_was_tried() -> None:
    decision = decide_optimizer(n_iterations=24_999)
    assert (decision.value.name, decision.value.schedule, decision.value.ema_decay) == ("adamw", "cosine", 0.999)
    assert "benchmarks/LOG.md" in decision.reason
