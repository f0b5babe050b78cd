"""What does a line through some cases say of the others?

Ridge regression (Hoerl and Kennard, Technometrics 1970) of Dice on a few features, a line for every label. What differs
within the labels gives first the weights that all of them share, shrunk towards 0, then those of each label, shrunk
towards the shared ones, each as if `PRIOR_CASES` further rows had said so: a label with few cases leans on the others,
one with many goes its own way. Features are taken in units of their spread within the labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

PRIOR_CASES = 10.0  # a judgement: half of what counts beside 10 rows, little beside 100
TINY = 1e-9  # a spread below this is rounding: such a feature tells nothing

FloatArray = np.ndarray
IntArray = np.ndarray


@dataclass(frozen=True)
class Rows:
    """One row per case and label.

    Attributes:
        dice: (n,).
        features: (n, n_features); none is a line without features, which is the mean of each label.
        labels: (n,) indices of the label.
        parts: (n,) what is held out together.
        cases: (n,) indices of the case.
    """

    dice: FloatArray
    features: FloatArray
    labels: IntArray
    parts: IntArray
    cases: IntArray

    @property
    def n_labels(self) -> int:
        """Labels up to the last one that a row is of."""
        return int(self.labels.max()) + 1

    @property
    def masks(self) -> FloatArray:
        """Which rows are of each label: boolean (n_labels, n)."""
        masks: FloatArray = self.labels == np.arange(self.n_labels)[:, None]
        return masks

    def take(self, which: np.ndarray) -> Rows:
        """The rows that a boolean (n,) marks."""
        return Rows(*(array[which] for array in (self.dice, self.features, self.labels, self.parts, self.cases)))

    def without_features(self) -> Rows:
        """The same rows, of which only the label is known."""
        return replace(self, features=self.features[:, :0])


def predict_held_out(rows: Rows) -> FloatArray:
    """Dice (n,) of every row, predicted from the other parts alone, within 0..1.

    Args:
        rows: every label that a row is of is in at least two parts.
    """
    predicted = np.empty(rows.dice.size)
    for part in np.unique(rows.parts):
        held_out = rows.parts == part
        weights, offsets = fit(rows.take(~held_out), rows.n_labels)
        labels = rows.labels[held_out]
        predicted[held_out] = (rows.features[held_out] * weights[labels]).sum(axis=1) + offsets[labels]
    clipped: FloatArray = np.clip(predicted, 0.0, 1.0)
    return clipped


def fit(rows: Rows, n_labels: int) -> tuple[FloatArray, FloatArray]:
    """The lines: weights (n_labels, n_features) and offsets (n_labels,), so that dice = features . weights + offset.

    Args:
        rows: what they go through.
        n_labels: number of labels; what is said of one without rows means nothing.
    """
    means = np.stack(
        [_mean_by_label(column, rows.labels, n_labels) for column in (*rows.features.T, rows.dice)], axis=1
    )
    features, dice = rows.features - means[rows.labels, :-1], rows.dice - means[rows.labels, -1]
    spread = features.std(axis=0)
    spread[spread <= TINY] = 1.0
    features /= spread
    shared = _shrink(features, dice, np.zeros(len(spread)))
    masks = (rows.labels == label for label in range(n_labels))
    weights = np.stack([_shrink(features[its], dice[its], shared) for its in masks]) / spread
    return weights, means[:, -1] - (means[:, :-1] * weights).sum(axis=1)


def _mean_by_label(values: FloatArray, labels: IntArray, n_labels: int) -> FloatArray:
    means: FloatArray = np.bincount(labels, values, n_labels) / np.maximum(np.bincount(labels, minlength=n_labels), 1)
    return means


def _shrink(features: FloatArray, dice: FloatArray, prior: FloatArray) -> FloatArray:
    """Ridge regression towards other weights, which count as `PRIOR_CASES` rows."""
    gram = features.T @ features + PRIOR_CASES * np.eye(len(prior))
    weights: FloatArray = prior + np.linalg.solve(gram, features.T @ (dice - features @ prior))
    return weights


def correlate_ranks(one: FloatArray, other: FloatArray) -> float:
    """Spearman's correlation of two (n,); 0 where one side does not differ."""
    from scipy import stats

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(stats.spearmanr(one, other).statistic)
