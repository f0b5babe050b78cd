"""Who trains and who validates in each fold of the cross-validation?

Source: the splits of nnU-Net, i.e. scikit-learn's shuffled KFold over the sorted case ids with seed 12345, so that
results of the same fold compare. Reimplemented in numpy: a permutation, cut into nearly equal runs.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from autoseg.errors import DatasetError, UsageError
from autoseg.serialization import Record

N_FOLDS = 5  # borrowed from nnU-Net
SPLIT_SEED = 12345  # borrowed from nnU-Net, for equal folds


class Split(Record):
    """One fold: the cases that train and the cases that only validate, both sorted."""

    train: tuple[str, ...]
    validation: tuple[str, ...]


def make_splits(case_ids: Iterable[str], n_folds: int = N_FOLDS, seed: int = SPLIT_SEED) -> tuple[Split, ...]:
    """Split cases into folds, each case validating exactly once.

    Raises:
        UsageError: fewer than two folds.
        DatasetError: fewer cases than folds, or a case named twice.
    """
    ids = sorted(case_ids)
    if n_folds < 2:
        raise UsageError(f"Cross-validation needs at least 2 folds, not {n_folds}.")
    if len(set(ids)) < len(ids):
        twice = sorted({one for one in ids if ids.count(one) > 1})
        raise DatasetError(
            f"Case ids must be unique, but these occur twice: {', '.join(twice[:5])}. Rename one of them."
        )
    if len(ids) < n_folds:
        raise DatasetError(f"{n_folds} folds need at least {n_folds} cases, but there are {len(ids)}. Use fewer folds.")
    shuffled = np.random.RandomState(seed).permutation(len(ids))
    return tuple(_make_split(ids, set(chosen.tolist())) for chosen in np.array_split(shuffled, n_folds))


def _make_split(ids: list[str], chosen: set[int]) -> Split:
    return Split(
        train=tuple(case_id for i, case_id in enumerate(ids) if i not in chosen),
        validation=tuple(case_id for i, case_id in enumerate(ids) if i in chosen),
    )
