"""Is each oddity named once, with its cases?"""

from __future__ import annotations

from typing import Any

import pytest

from autoseg.fingerprinting.fingerprint import QUANTILE_LEVELS, CaseFacts, ForegroundSample
from autoseg.fingerprinting.outliers import describe_outliers


def facts(case_id: str, *, scale: float = 1.0, **changes: Any) -> CaseFacts:
    sample = ForegroundSample(mean=0.5 * scale, std=scale, quantiles=tuple(scale * level for level in QUANTILE_LEVELS))
    usual = {"shape_after_cropping": (10, 20, 30), "spacing_mm": (3.0, 1.2, 1.0), "orientation": "LPS"}
    return CaseFacts(id=case_id, **{**usual, "label_voxels": (5,), "foreground": (sample,), **changes})


def describe(*odd: CaseFacts) -> tuple[str, ...]:
    return describe_outliers([*(facts(f"usual_{i}") for i in range(10)), *odd], ["MRI"])


def test_equal_cases_are_no_outliers() -> None:
    assert describe(facts("a", scale=9.9), facts("b", scale=0.11)) == ()


@pytest.mark.parametrize(
    ("odd", "word"),
    [
        (facts("odd", spacing_mm=(30.0, 1.2, 1.0)), "odd: spacing is (30.0, 1.2, 1.0) mm (z, y, x), but the median"),
        (facts("odd", orientation="RAS"), "odd: stored as RAS, but 10 of 11 cases are LPS. Reorient it"),
        (facts("odd", label_voxels=(0,), foreground=()), "odd: the segmentation holds no foreground"),
        (facts("odd", scale=100.0), "odd: foreground intensities of MRI span 1e+02 times the median case's range"),
        (facts("odd", scale=0.01), "odd: foreground intensities of MRI span 0.01 times the median case's range"),
    ],
)
def test_an_odd_case_is_named(odd: CaseFacts, word: str) -> None:
    (sentence,) = describe(odd)
    assert sentence.startswith(word)


def test_many_odd_cases_are_counted() -> None:
    (sentence,) = describe(*(facts(f"odd_{i}", label_voxels=(0,), foreground=()) for i in range(8)))
    assert sentence.startswith("odd_0, odd_1, odd_2, odd_3, odd_4 and 3 more: ")


def test_a_constant_foreground_has_no_scale() -> None:
    assert describe(facts("flat", scale=0.0)) == ()
