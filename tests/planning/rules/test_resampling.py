from __future__ import annotations

from autoseg.planning.choices import Resampling
from autoseg.planning.rules.resampling import decide_resampling
from autoseg.serialization import digest


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


def test_spacings_are_compared_exactly() -> None:
    assert decide_resampling(spacing_mm=(0.5, 3.0, 3.0000005)).value.separate_axis == 2


def test_a_field_that_was_not_there_before_changes_neither_files_nor_digests() -> None:
    before = {"image_order": 3, "segmentation_order": 1, "logits_order": 1, "separate_axis": 0, "separate_order": 0}
    assert Resampling(**before).model_dump() == before
    assert digest(Resampling(**before)) == digest(before)
    never = Resampling(**before, separate="never")
    assert digest(never) != digest(before)
    assert Resampling(**never.model_dump()) == never
