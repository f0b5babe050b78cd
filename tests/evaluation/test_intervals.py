"""Many intervals at once are the intervals one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoseg.evaluation import intervals
from autoseg.evaluation.bootstrapping import bootstrap_interval
from autoseg.evaluation.intervals import bootstrap_intervals

GENERATOR = np.random.default_rng(5)
COLUMNS = [GENERATOR.random(n).tolist() for n in (7, 3, 7, 12, 2, 3)]


def test_they_agree_with_a_single_one() -> None:
    expected = [bootstrap_interval(column) for column in COLUMNS]
    assert np.allclose(bootstrap_intervals(COLUMNS), expected, rtol=0, atol=1e-12)


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap_intervals(COLUMNS)
    monkeypatch.setattr(intervals, "COLUMNS_AT_ONCE", 1)
    assert np.allclose(bootstrap_intervals(COLUMNS), whole, rtol=0, atol=1e-12)


def test_folds_are_kept_as_in_a_single_one() -> None:
    strata = [[place % 3 for place in range(len(column))] for column in COLUMNS]
    strata[0] = [0, 0, 0, 0, 1, 1, 1]
    expected = [bootstrap_interval(column, strata=its) for column, its in zip(COLUMNS, strata, strict=True)]
    assert np.allclose(bootstrap_intervals(COLUMNS, strata=strata), expected, rtol=0, atol=1e-12)
    assert not np.allclose(bootstrap_intervals(COLUMNS)[0], expected[0], rtol=0, atol=1e-3)


def test_fewer_than_two_values_have_none() -> None:
    found = bootstrap_intervals([[0.5], [], [0.2, 0.4]])
    assert all(math.isnan(end) for interval in found[:2] for end in interval)
    assert found[2][0] < 0.3 < found[2][1]


def test_equal_values_are_certain() -> None:
    assert bootstrap_intervals([[0.25] * 6]) == [(0.25, 0.25)]
