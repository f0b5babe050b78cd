"""Who trains and who validates in each fold of the cross-validation?

Source: the splits of nnU-Net, i.e. scikit-learn's shuffled KFold over the sorted case ids with seed 12345, so that
results of the same fold compare. Reimplemented in numpy: a permutation, cut into nearly equal runs. Two things change
it, each only where it matters: cases of one group stay together (`groups`), and a label that chance would keep from a
whole fold is spread over the folds (`stratifying`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from autoseg.data.groups import list_members
from autoseg.data.stratifying import Folds, Lack, Unit, deal_units, find_lacks
from autoseg.errors import DatasetError, UsageError
from autoseg.serialization import Record

N_FOLDS = 5  # borrowed from nnU-Net
SPLIT_SEED = 12345  # borrowed from nnU-Net, for equal folds

Fold = int | Literal["all"]
ALL: Literal["all"] = "all"  # one model trained on every case, without validation


class Split(Record):
    """One fold: the cases that train and the cases that only validate, both sorted."""

    train: tuple[str, ...]
    validation: tuple[str, ...]


class Dealt(NamedTuple):
    """Splits, the labels that were balanced in them, and the sentence that says why they are as they are."""

    splits: tuple[Split, ...]
    balanced: tuple[str, ...]
    reason: str


def make_splits(case_ids: Iterable[str], n_folds: int = N_FOLDS, seed: int = SPLIT_SEED) -> tuple[Split, ...]:
    """Split cases into folds, each case validating exactly once.

    Raises:
        UsageError: fewer than two folds.
        DatasetError: fewer cases than folds, or a case named twice.
    """
    return decide_splits(case_ids, n_folds, seed=seed).splits


def decide_splits(
    case_ids: Iterable[str],
    n_folds: int = N_FOLDS,
    *,
    group_of: Mapping[str, str] | None = None,
    labels_of: Mapping[str, Collection[str]] | None = None,
    seed: int = SPLIT_SEED,
) -> Dealt:
    """Split cases into folds, each case validating exactly once, and say why so.

    Args:
        case_ids: in any order.
        n_folds: at least 2; fewer where there are fewer groups.
        group_of: the group of each case; groups are never split. None where each case stands for itself.
        labels_of: names of the labels that each case holds, to balance folds in labels where chance leaves one without.
        seed: of the permutation.

    Raises:
        UsageError: fewer than two folds.
        DatasetError: fewer cases than folds, a case named twice, or a single group.
    """
    ids = _check_ids(case_ids, n_folds)
    members = list_members(group_of or {case_id: case_id for case_id in ids})
    if len(members) < 2:
        raise DatasetError(
            f"All {len(ids)} cases are of one group ({next(iter(members))}), which no split may divide. Add cases of "
            "another one."
        )
    is_grouped = len(members) < len(ids)
    groups = list(members.values()) if is_grouped else [[case_id] for case_id in ids]
    k = min(n_folds, len(groups))
    folds, balanced, why = _choose_folds([_describe(group, labels_of or {}) for group in groups], k, seed, is_grouped)
    reason = f"{k} folds of {len(ids)} shuffled cases (seed {seed})"
    if is_grouped:
        reason = f"{k} folds of {len(groups)} groups of {len(ids)} cases, none of which is divided (seed {seed})"
    if k < n_folds:
        reason += f"; {n_folds} were asked for, but there are {k} groups"
    return Dealt(tuple(_make_split(ids, groups, chosen) for chosen in folds), balanced, reason + why)


def _choose_folds(
    units: Sequence[Unit], n_folds: int, seed: int, is_grouped: bool
) -> tuple[Folds, tuple[str, ...], str]:
    """What chance gives, unless it leaves a fold without a label and dealing by labels leaves fewer such gaps."""
    by_chance = deal_units(units, n_folds, seed=seed) if is_grouped else _cut_permutation(len(units), n_folds, seed)
    labels = _find_unequal(units)
    gaps = find_lacks(units, by_chance, labels)
    if not gaps:
        return by_chance, (), ""
    balanced = deal_units(units, n_folds, labels, seed=seed)
    if len(find_lacks(units, balanced, labels)) >= len(gaps):
        return by_chance, (), ""
    told = _tell(gaps, "groups" if is_grouped else "cases")
    return balanced, labels, f"; balanced in labels, because by chance {told}"


def find_split(splits: Sequence[Split], fold: Fold) -> Split:
    """The split of a fold; for `all`, every case that any fold knows trains and none validates."""
    if fold != ALL:
        return splits[fold]
    return Split(
        train=tuple(sorted({case_id for split in splits for case_id in split.train + split.validation})), validation=()
    )


def seed_fold(seed: int, fold: Fold, n_folds: int) -> int:
    """The seed of a fold's training: another one for each fold, and the next one after them for `all`."""
    return seed + (n_folds if fold == ALL else fold)


def _check_ids(case_ids: Iterable[str], n_folds: int) -> list[str]:
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
    return ids


def _describe(group: Sequence[str], labels_of: Mapping[str, Collection[str]]) -> Unit:
    held = [label for case_id in group for label in labels_of.get(case_id, ())]
    return Unit(len(group), {label: held.count(label) for label in sorted(set(held))})


def _cut_permutation(n: int, n_folds: int, seed: int) -> Folds:
    """scikit-learn's shuffled KFold."""
    shuffled = np.random.RandomState(seed).permutation(n)
    return [sorted(chosen.tolist()) for chosen in np.array_split(shuffled, n_folds)]


def _find_unequal(units: Sequence[Unit]) -> tuple[str, ...]:
    """Labels that some units hold and some do not: no split can be unequal in the others."""
    labels = sorted({label for unit in units for label in unit.holding})
    return tuple(label for label in labels if not all(label in unit.holding for unit in units))


def _tell(lacks: Sequence[Lack], unit: str) -> str:
    first = lacks[0]
    rest = f" (and {len(lacks) - 1} more such gaps)" if len(lacks) > 1 else ""
    return f"fold {first.fold} would {first.side} without {first.label}, which {first.n_units} {unit} hold{rest}"


def _make_split(ids: Sequence[str], groups: Sequence[Sequence[str]], chosen: Sequence[int]) -> Split:
    validating = {case_id for index in chosen for case_id in groups[index]}
    return Split(
        train=tuple(case_id for case_id in ids if case_id not in validating),
        validation=tuple(case_id for case_id in ids if case_id in validating),
    )
