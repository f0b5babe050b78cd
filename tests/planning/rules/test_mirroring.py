from __future__ import annotations

import pytest

from autoseg.fingerprinting.fingerprint import SidePair
from autoseg.planning.rules.mirroring import TOO_SHORT, decide_mirroring_axes

KIDNEYS = SidePair(left="kidney_left", right="kidney_right", axis=2, by="name and position", share_of_cases=0.98)
LUNGS = SidePair(left="lung_l", right="lung_r", axis=2, by="name")


def test_a_long_training_mirrors_every_axis_of_its_patch() -> None:
    assert decide_mirroring_axes(n_dimensions=3, n_iterations=250_000).value == (0, 1, 2)
    assert decide_mirroring_axes(n_dimensions=2, n_iterations=TOO_SHORT).value == (0, 1)


def test_the_published_rule_mirrors_however_short_training_is_and_whatever_the_labels() -> None:
    decision = decide_mirroring_axes(n_dimensions=3, n_iterations=1, as_published=True, side_pairs=[KIDNEYS])
    assert decision.value == (0, 1, 2)
    assert "kidney_left and kidney_right are mirror images" in decision.reason


def test_a_short_training_mirrors_none_and_says_what_that_saves() -> None:
    decision = decide_mirroring_axes(n_dimensions=3, n_iterations=1_300, side_pairs=[KIDNEYS])
    assert decision.value == ()
    assert "8 times faster" in decision.reason


@pytest.mark.parametrize(
    ("n_dimensions", "axis_order", "axes"),
    [
        (3, (0, 1, 2), (0, 1)),
        (3, (1, 0, 2), (0, 1)),
        (3, (2, 0, 1), (1, 2)),
        (2, (0, 1, 2), (0,)),
        (2, (1, 0, 2), (0,)),
        (2, (2, 0, 1), (0, 1)),
    ],
)
def test_the_axis_between_left_and_right_is_left_out_where_the_patch_has_it(
    n_dimensions: int, axis_order: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    decision = decide_mirroring_axes(
        n_dimensions=n_dimensions, n_iterations=250_000, axis_order=axis_order, side_pairs=[KIDNEYS, LUNGS]
    )
    assert decision.value == axes
    assert ("kidney_left and kidney_right" in decision.reason) == (len(axes) < n_dimensions)


def test_the_reason_names_the_pair_and_what_told_it() -> None:
    reasons = [
        decide_mirroring_axes(n_dimensions=3, n_iterations=250_000, side_pairs=pairs).reason
        for pairs in ([KIDNEYS, LUNGS], [LUNGS])
    ]
    assert (
        "x (kidney_left and kidney_right and 1 more pair lie apart along it, as told by their names and positions in "
        in (reasons[0])
    )
    assert "98% of the cases" in reasons[0]
    assert "x (lung_l and lung_r lie apart along it, as told by their names): a flipped image shows each" in reasons[1]
