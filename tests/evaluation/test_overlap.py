"""Overlap against closed forms, brute force and the table of empty cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score, precision_score, recall_score

from autoseg.data.labels import IGNORED
from autoseg.evaluation.overlap import Overlap, count_confusion, overlap_of, reward_right_empties

SHAPE = (3, 7, 11)


def random_labels(seed: int, n_labels: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, n_labels, SHAPE).astype(np.int16)


def test_confusion_and_scores_agree_with_sklearn() -> None:
    reference, predicted = random_labels(1), random_labels(2)
    confusion = count_confusion(reference, predicted, 4)
    assert np.array_equal(confusion, confusion_matrix(reference.ravel(), predicted.ravel()))
    for label in range(4):
        truth, guess = reference.ravel() == label, predicted.ravel() == label
        overlap = overlap_of(confusion, [label])
        scores = [overlap.dice, overlap.jaccard, overlap.precision, overlap.recall]
        independent = [score(truth, guess) for score in (f1_score, jaccard_score, precision_score, recall_score)]
        assert scores == pytest.approx(independent)


@pytest.mark.parametrize("labels", [(1,), (1, 3), (1, 2, 3)])
def test_a_union_of_labels_is_scored_as_its_mask(labels: tuple[int, ...]) -> None:
    reference, predicted = random_labels(1), random_labels(2)
    truth, guess = np.isin(reference, labels), np.isin(predicted, labels)
    overlap = overlap_of(count_confusion(reference, predicted, 4), labels)
    assert overlap == overlap_of(count_confusion(truth.astype(int), guess.astype(int), 2), [1])
    assert overlap.dice == pytest.approx(f1_score(truth.ravel(), guess.ravel()))


def test_box_shifted_by_a_third() -> None:
    reference, predicted = np.zeros((4, 6, 9), np.int16), np.zeros((4, 6, 9), np.int16)
    reference[1:3, 1:5, 0:6] = 1
    predicted[1:3, 1:5, 2:8] = 1
    overlap = overlap_of(count_confusion(reference, predicted, 2), [1])
    assert overlap.dice == pytest.approx(2 / 3)
    assert overlap.jaccard == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("overlap", "dice", "jaccard", "precision", "recall"),
    [
        (Overlap(0, 0, 0), math.nan, math.nan, math.nan, math.nan),
        (Overlap(0, 5, 0), 0, 0, 0, math.nan),
        (Overlap(5, 0, 0), 0, 0, math.nan, 0),
        (Overlap(4, 2, 1), 1 / 3, 1 / 5, 1 / 2, 1 / 4),
    ],
)
def test_table_of_empty_cases(overlap: Overlap, dice: float, jaccard: float, precision: float, recall: float) -> None:
    found = (overlap.dice, overlap.jaccard, overlap.precision, overlap.recall)
    assert found == pytest.approx((dice, jaccard, precision, recall), nan_ok=True)


def test_ignored_voxels_are_outside_of_every_count() -> None:
    reference, predicted = random_labels(1), random_labels(2)
    reference[:, 2:5] = IGNORED
    kept = np.delete(np.arange(7), [2, 3, 4])
    expected = count_confusion(reference[:, kept], predicted[:, kept], 4)
    assert np.array_equal(count_confusion(reference, predicted, 4), expected)


@pytest.mark.parametrize("label", [-1, 4])
def test_unknown_predicted_label_is_an_error(label: int) -> None:
    predicted = random_labels(2)
    predicted[0, 0, 0] = label
    with pytest.raises(ValueError, match=r"0\.\.3"):
        count_confusion(random_labels(1), predicted, 4)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shape"):
        count_confusion(random_labels(1), random_labels(2).T, 4)


@given(st.integers(0, 2**32 - 1))
def test_dice_and_jaccard_are_one_measure(seed: int) -> None:
    confusion = count_confusion(random_labels(seed), random_labels(seed + 1), 4)
    for label in range(4):
        overlap = overlap_of(confusion, [label])
        assert overlap.jaccard == pytest.approx(overlap.dice / (2 - overlap.dice))


def test_rightly_empty_is_rewarded_only_where_the_other_was_not() -> None:
    one, other = reward_right_empties(np.array([0.5, np.nan, np.nan]), np.array([0.4, 0.0, np.nan]))
    np.testing.assert_array_equal(one, [0.5, 1.0, np.nan])
    np.testing.assert_array_equal(other, [0.4, 0.0, np.nan])
