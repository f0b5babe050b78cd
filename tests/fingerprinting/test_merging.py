"""Do merged statistics follow from those of the cases, each weighing the same?"""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.fingerprinting.fingerprint import QUANTILE_LEVELS, ForegroundSample
from autoseg.fingerprinting.merging import merge_intensities, rounded


def sample(values: np.ndarray) -> ForegroundSample:
    quantiles = tuple(np.quantile(values, QUANTILE_LEVELS).tolist())
    return ForegroundSample(mean=float(values.mean()), std=float(values.std()), quantiles=quantiles)


def test_one_case_is_its_own_dataset() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    merged = merge_intensities([sample(values)])
    expected = np.quantile(values, [0.005, 0.5, 0.995])
    assert (merged.percentile_00_5, merged.median, merged.percentile_99_5) == pytest.approx(expected, rel=1e-5)
    assert (merged.mean, merged.std) == pytest.approx((values.mean(), values.std()), rel=1e-5)


def test_large_cases_weigh_no_more_than_small_ones() -> None:
    merged = merge_intensities([sample(np.full(1_000_000, 1.0)), sample(np.full(10, 5.0)), sample(np.full(10, 9.0))])
    assert (merged.mean, merged.median) == (5.0, 5.0)
    assert merged.std == pytest.approx(np.std([1, 5, 9]), rel=1e-5)
    assert (merged.min, merged.max, merged.percentile_00_5, merged.percentile_99_5) == (1.0, 9.0, 1.0, 9.0)


def test_uniform_cases_side_by_side_are_one_uniform_dataset() -> None:
    merged = merge_intensities([sample(np.linspace(start, start + 10, 1001)) for start in (0, 10, 20, 30)])
    assert merged.percentile_00_5 == pytest.approx(0.2, abs=0.01)
    assert merged.median == pytest.approx(20, abs=0.01)
    assert merged.percentile_99_5 == pytest.approx(39.8, abs=0.01)


def test_scales_far_apart_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(0)
    cases = [rng.normal(100, 10, 5000) * scale for scale in (1, 1, 1, 1e4)]
    merged = merge_intensities([sample(values) for values in cases])
    assert merged.median == pytest.approx(np.quantile(np.concatenate(cases), 0.5), rel=0.01)
    assert merged.percentile_99_5 == pytest.approx(np.quantile(np.concatenate(cases), 0.995), rel=0.01)


def test_the_order_of_cases_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    samples = [sample(rng.gamma(2, size=500)) for _ in range(7)]
    assert merge_intensities(samples) == merge_intensities(samples[::-1])


def test_rounding_keeps_six_digits() -> None:
    assert [rounded(value) for value in (123456.7, -0.001234567, 0.0)] == [123457.0, -0.00123457, 0.0]
