"""How are splits written down, and in which forms do people bring their own?

autoseg's file records how it was made. A person may put a bare list of folds in its place, with the key `validation`,
or with nnU-Net's `val` (its splits_final.json): such splits were made by hand and are never made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from autoseg.data.groups import Grouping
from autoseg.data.splits import SPLIT_SEED, Split, make_splits
from autoseg.errors import WorkspaceError
from autoseg.serialization import Record, digest, parse_record, read_json

SET_BY_HAND = "made by hand"


class Splits(Record):
    """The splits of a dataset, and how they were made.

    Attributes:
        autoseg_splits: version of this format.
        source: `rule`, or `user` where a person made them.
        reason: why they are as they are, in a sentence.
        n_folds: folds that were asked for; there may be fewer.
        seed: of the permutation.
        grouping: which cases are never divided, None where each stands for itself.
        balanced: labels that were balanced over the folds.
        warnings: what a person should look at.
        made: names the folds as autoseg wrote them: others were edited by hand.
        checked: names the state of the dataset and of the folds that was checked for leaks.
        folds: who trains and who validates.
    """

    autoseg_splits: int = 1
    source: Literal["rule", "user"] = "rule"
    reason: str = SET_BY_HAND
    n_folds: int
    seed: int | None = SPLIT_SEED
    grouping: Grouping | None = None
    balanced: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    made: str = ""
    checked: str = ""
    folds: tuple[Split, ...]

    @property
    def case_ids(self) -> set[str]:
        """Every case that a fold knows."""
        return {case_id for split in self.folds for case_id in split.train + split.validation}

    @property
    def digest(self) -> str:
        """Names the folds."""
        return digest(self.folds)

    @property
    def is_made_by_hand(self) -> bool:
        """Whether a person made the folds, or edited those that autoseg made."""
        return self.source == "user" or self.made != self.digest

    def name_state(self, listing: str, n_folds: int, grouping: Grouping | None) -> str:
        """What `checked` says once these folds were checked for a dataset in this state."""
        return digest([self.folds, listing, n_folds, grouping.digest if grouping else None])


def read_splits(path: Path) -> Splits:
    """Read splits in any of the forms.

    Raises:
        WorkspaceError: the file holds something else, or no fold.
    """
    content = read_json(path)
    if isinstance(content, Mapping):
        splits = parse_record(Splits, content, where=str(path), error=WorkspaceError)
    elif isinstance(content, list):
        folds = tuple(_parse_split(one, f"{path}: fold {fold}") for fold, one in enumerate(content))
        splits = _recognize(Splits(source="user", n_folds=len(folds), seed=None, folds=folds))
    else:
        raise WorkspaceError(f"{path}: holds no splits. Expected a list of folds, each with train and validation.")
    if not splits.folds:
        raise WorkspaceError(f"{path}: has no fold. Give at least one, with train and validation.")
    return splits


def _parse_split(content: Any, where: str) -> Split:
    if isinstance(content, Mapping) and "val" in content:
        content = {("validation" if key == "val" else key): value for key, value in content.items()}
    split = parse_record(Split, content, where=where, error=WorkspaceError)
    return Split(train=tuple(sorted(split.train)), validation=tuple(sorted(split.validation)))


def _recognize(splits: Splits) -> Splits:
    """Splits that autoseg would have made of the same cases by itself were made by a rule, also in a bare list."""
    n_folds, n_cases = len(splits.folds), len(splits.case_ids)
    if not 2 <= n_folds <= n_cases or splits.folds != make_splits(splits.case_ids, n_folds):
        return splits
    reason = f"{n_folds} folds of {n_cases} shuffled cases (seed {SPLIT_SEED})"
    return splits.model_copy(update={"source": "rule", "reason": reason, "seed": SPLIT_SEED, "made": splits.digest})
