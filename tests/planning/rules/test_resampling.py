from __future__ import annotations

from autoseg.planning.rules.resampling import decide_resampling


def test_comparable_spacings_are_resampled_alike() -> None:
    resampling = decide_resampling(spacing_mm=(3.0, 1.0, 1.0)).value
    assert resampling.separate_axis is None
    assert (resampling.image_order, resampling.segmentation_order) == (3, 1)


def test_a_coarse_axis_is_resampled_on_its_own_by_nearest_neighbour() -> None:
    decision = decide_resampling(spacing_mm=(3.1, 1.0, 1.0))
    assert (decision.value.separate_axis, decision.value.separate_order) == (0, 0)
    assert decision.inputs == {"anisotropy": 3.1}


def test_the_target_alone_counts_for_a_case_decides_by_its_own_spacing() -> None:
    assert decide_resampling(spacing_mm=(1.1, 1.0, 1.0)).value.separate_axis is None
    assert "whose own spacing" in decide_resampling(spacing_mm=(1.1, 1.0, 1.0)).reason


def test_two_coarse_axes_have_no_plane_to_treat_apart() -> None:
    assert decide_resampling(spacing_mm=(4.0, 4.0, 1.0)).value.separate_axis is None


def test_slices_have_no_axis_to_treat_apart() -> None:
    assert decide_resampling(spacing_mm=(4.0, 1.0)).value.separate_axis is None
