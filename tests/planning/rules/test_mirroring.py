from __future__ import annotations

from autoseg.planning.rules.mirroring import TOO_SHORT, decide_mirroring_axes


def test_a_long_training_mirrors_every_axis_of_its_patch() -> None:
    assert decide_mirroring_axes(n_dimensions=3, n_iterations=250_000).value == (0, 1, 2)
    assert decide_mirroring_axes(n_dimensions=2, n_iterations=TOO_SHORT).value == (0, 1)


def test_the_published_rule_mirrors_however_short_training_is() -> None:
    assert decide_mirroring_axes(n_dimensions=3, n_iterations=1, as_published=True).value == (0, 1, 2)


def test_a_short_training_mirrors_none_and_says_what_that_saves() -> None:
    decision = decide_mirroring_axes(n_dimensions=3, n_iterations=1_300)
    assert decision.value == ()
    assert "8 times faster" in decision.reason
