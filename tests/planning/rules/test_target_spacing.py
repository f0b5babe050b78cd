from __future__ import annotations

import numpy as np
import pytest

from autoseg.planning.rules.target_spacing import compute_median_shape, decide_target_spacing


def test_the_median_is_taken_along_each_axis() -> None:
    spacings = np.array([[2.0, 1.0, 0.5], [3.0, 1.0, 0.7], [9.0, 1.5, 0.6]])
    decision = decide_target_spacing(spacings_mm=spacings, shapes=np.full((3, 3), 100))
    assert decision.value == (3.0, 1.0, 0.6)
    assert "median" in decision.reason


def test_a_coarse_axis_with_few_slices_takes_its_tenth_percentile() -> None:
    spacings = np.array([[spacing, 1.0, 1.0] for spacing in (2.0, 5.0, 6.0, 7.0, 8.0)])
    decision = decide_target_spacing(spacings_mm=spacings, shapes=np.full((5, 3), (20, 200, 200)))
    assert decision.value == (pytest.approx(2 + 0.4 * 3), 1.0, 1.0)
    assert "axis z" in decision.reason


def test_a_coarse_axis_with_many_slices_keeps_its_median() -> None:
    spacings = np.array([[spacing, 1.0, 1.0] for spacing in (2.0, 5.0, 6.0, 7.0, 8.0)])
    decision = decide_target_spacing(spacings_mm=spacings, shapes=np.full((5, 3), (90, 200, 200)))
    assert decision.value == (6.0, 1.0, 1.0)


def test_a_coarse_axis_never_becomes_finer_than_the_others() -> None:
    spacings = np.array([[0.1, 1.0, 1.2]] * 2 + [[5.0, 1.0, 1.2]] * 3)
    decision = decide_target_spacing(spacings_mm=spacings, shapes=np.full((5, 3), (20, 200, 200)))
    assert decision.value == pytest.approx((1.2 + 1e-5, 1.0, 1.2), abs=1e-12)


def test_the_coarse_axis_may_be_any() -> None:
    spacings = np.array([[1.0, 1.0, spacing] for spacing in (2.0, 5.0, 6.0, 7.0, 8.0)])
    decision = decide_target_spacing(spacings_mm=spacings, shapes=np.full((5, 3), (200, 200, 20)))
    assert decision.value[2] == pytest.approx(3.2)
    assert "axis x" in decision.reason


def test_the_median_shape_is_that_of_the_resampled_cases_with_halves_kept() -> None:
    spacings, shapes = np.array([[2.0, 1.0, 1.0], [4.0, 1.0, 1.0]]), np.array([[10, 30, 41], [10, 30, 40]])
    shape = compute_median_shape(spacings_mm=spacings, shapes=shapes, target_mm=(4.0, 1.0, 1.0))
    assert shape == (7.5, 30.0, 40.5)
