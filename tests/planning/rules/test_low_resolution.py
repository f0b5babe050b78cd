from __future__ import annotations

import pytest

from autoseg.planning.rules.low_resolution import decide_low_resolution


def find(spacing_mm: tuple[float, ...], median_shape: tuple[float, ...], patch: tuple[int, ...]):
    return decide_low_resolution(
        spacing_mm=spacing_mm, median_shape=median_shape, patch_size=patch, plan_patch=lambda spacing, shape: patch
    )


def test_a_patch_that_covers_a_quarter_needs_no_other_pass() -> None:
    decision = find((2.0, 1.0, 1.0), (100, 200, 200), (50, 100, 200))
    assert decision.value is None
    assert decision.reason == "the patch covers 25% of the median case, no low-resolution pass is needed"


def test_a_pass_that_would_save_little_is_dropped() -> None:
    decision = find((1.0, 1.0, 1.0), (200, 200, 200), (100, 100, 170))
    assert decision.value is None
    assert "save only a factor" in decision.reason


def test_spacing_grows_in_steps_until_a_quarter_is_covered() -> None:
    decision = find((1.0, 1.0, 1.0), (400, 400, 400), (128, 128, 128))
    n_steps = next(n for n in range(99) if 128**3 / (400 / 1.03**n) ** 3 >= 0.25)
    assert decision.value == pytest.approx([1.03**n_steps] * 3)


def test_axes_much_finer_than_the_coarsest_are_coarsened_first() -> None:
    decision = find((4.0, 1.0, 0.5), (40, 400, 800), (40, 128, 256))
    assert decision.value is not None
    z, y, x = decision.value
    assert z == 4.0
    assert x <= y < 4.0
