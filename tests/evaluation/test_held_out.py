"""A line through some cases, and what it says of the others."""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.evaluation.held_out import PRIOR_CASES, Rows, correlate_ranks, fit, predict_held_out


def make_rows(dice: list[float], features: list[list[float]], labels: list[int] | None = None) -> Rows:
    n = len(dice)
    label = np.array(labels or [0] * n)
    return Rows(np.array(dice), np.array(features, dtype=float).reshape(n, -1), label, np.arange(n), np.arange(n))


def test_weight_of_one_feature_is_shrunk_by_the_prior_cases() -> None:
    """Towards 0 at first; then the label's own 4 rows speak a second time, against the shared weight."""
    feature, slope, share = np.array([0.1, 0.3, 0.2, 0.6]), 0.8, 4 / (4 + PRIOR_CASES)
    weights, offsets = fit(make_rows(list(0.2 + slope * feature), [[x] for x in feature]), 1)
    shared = slope * share
    own = shared + (slope - shared) * share
    assert weights == pytest.approx(np.array([[own]]))
    assert offsets == pytest.approx([0.2 + slope * feature.mean() - own * feature.mean()])


def test_labels_with_many_cases_have_lines_of_their_own() -> None:
    generator = np.random.default_rng(0)
    features, labels = generator.normal(size=(8000, 2)), np.array([0, 1] * 4000)
    true, offsets = np.array([[0.03, -0.05], [0.0, 0.02]]), np.array([0.5, 0.9])
    dice = (features * true[labels]).sum(axis=1) + offsets[labels]
    weights, found = fit(make_rows(list(dice), features.tolist(), list(labels)), 2)
    assert weights == pytest.approx(true, abs=2e-4)
    assert found == pytest.approx(offsets, abs=1e-4)


def test_a_label_with_few_cases_leans_on_the_others() -> None:
    generator = np.random.default_rng(1)
    feature, labels = generator.normal(size=403), np.array([0] * 400 + [1] * 3)
    rows = make_rows(list(np.where(labels, 0.5, 0.5 + 0.1 * feature)), [[x] for x in feature], list(labels))
    weights, _ = fit(rows, 2)
    assert weights[0, 0] == pytest.approx(0.1, rel=0.05)
    assert 0.02 < weights[1, 0] < 0.1  # its own three say 0


def test_without_features_each_row_is_expected_at_the_mean_of_the_others() -> None:
    dice = [0.1, 0.5, 0.9, 0.7]
    rows = make_rows(dice, [[1.0], [2.0], [0.0], [5.0]]).without_features()
    assert predict_held_out(rows) == pytest.approx([(sum(dice) - own) / 3 for own in dice])


def test_no_row_sees_its_own_part() -> None:
    rows = make_rows([0.1, 0.5, 0.9, 0.7], [[1.0], [2.0], [0.0], [5.0]])
    changed = make_rows([0.8, 0.5, 0.9, 0.7], [[1.0], [2.0], [0.0], [5.0]])
    assert predict_held_out(rows)[0] == predict_held_out(changed)[0]
    assert predict_held_out(rows)[1] != predict_held_out(changed)[1]


def test_a_feature_that_never_differs_has_no_weight() -> None:
    weights, _ = fit(make_rows([0.1, 0.5, 0.9], [[0.3], [0.3], [0.3]]), 1)
    assert weights == pytest.approx(np.array([[0.0]]))


def test_ranks_alone_are_correlated_and_a_constant_tells_nothing() -> None:
    one = np.array([0.1, 0.5, 0.9])
    assert correlate_ranks(one, one**9) == pytest.approx(1.0)
    assert correlate_ranks(one, -one) == pytest.approx(-1.0)
    assert correlate_ranks(np.full(3, 0.5), one) == 0.0
