from __future__ import annotations

import pytest

from autoseg.planning.rules.axis_order import decide_axis_order


@pytest.mark.parametrize(
    ("spacing_mm", "order"),
    [((3.0, 1.0, 0.5), (0, 1, 2)), ((1.0, 3.0, 0.5), (1, 0, 2)), ((1.0, 0.5, 3.0), (2, 0, 1))],
)
def test_the_coarsest_axis_goes_first(spacing_mm: tuple[float, ...], order: tuple[int, ...]) -> None:
    decision = decide_axis_order(spacing_mm=spacing_mm, median_shape=(30, 40, 50))
    assert decision.value == order
    assert f"axis {'zyx'[order[0]]}" in decision.reason


def test_equal_spacings_leave_the_order_as_it_is() -> None:
    assert decide_axis_order(spacing_mm=(1.0, 1.0, 1.0), median_shape=(9, 8, 7)).value == (0, 1, 2)


def test_the_one_voxel_of_a_picture_goes_first_whatever_its_spacing() -> None:
    decision = decide_axis_order(spacing_mm=(1.0, 2.0, 2.0), median_shape=(1, 300, 200))
    assert decision.value == (0, 1, 2)
    assert "pictures" in decision.reason


def test_the_published_rule_looks_at_spacing_alone() -> None:
    decision = decide_axis_order(spacing_mm=(1.0, 2.0, 2.0), median_shape=(1, 300, 200), by_spacing_alone=True)
    assert decision.value == (1, 0, 2)
