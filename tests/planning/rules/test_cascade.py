from __future__ import annotations

from autoseg.planning.rules.cascade import decide_previous, fix_corruption


def test_the_second_pass_refines_the_first_and_says_why() -> None:
    decision = decide_previous(configuration="3d_lowres")
    assert (decision.value, decision.source) == ("3d_lowres", "rule")
    assert "context" in decision.reason


def test_the_previous_segmentation_is_damaged_now_and_then_as_published() -> None:
    corruption = fix_corruption().value
    assert (corruption.borders.probability, corruption.borders.range) == (0.4, (1, 8))
    assert (corruption.components.probability, corruption.components.range) == (0.2, (0.0, 0.15))
