"""Does a model see in training what it is scored on? The checks that any splits go through, handmade ones above all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from autoseg.data.dataset import name_cases
from autoseg.data.groups import Grouping, list_members
from autoseg.data.problem import Problem, error, warning
from autoseg.data.splits import Split
from autoseg.serialization import did_you_mean


def find_leaks(
    splits: Sequence[Split],
    case_ids: Collection[str],
    *,
    grouping: Grouping | None = None,
    files_of: Mapping[str, Collection[str]] | None = None,
) -> tuple[Problem, ...]:
    """Everything about splits that a person should mend or know.

    Args:
        splits: the folds.
        case_ids: cases of the dataset.
        grouping: cases that belong on one side of every fold.
        files_of: digests of the image files of each case: two cases with one of them show the same.

    Returns:
        Errors: unknown cases, a case or a group on both sides, a side without a case. Warnings: cases that no fold
        or more than one validates, and the same image on both sides.
    """
    group_of = grouping.group_of if grouping else {}
    files = list_members({f"{case_id}/{name}": name for case_id, names in (files_of or {}).items() for name in names})
    twins = [sorted({place.rpartition("/")[0] for place in places}) for places in files.values() if len(places) > 1]
    problems: list[Problem] = []
    for fold, split in enumerate(splits):
        problems += _check_fold(f"fold {fold}", split, case_ids, group_of)
    return (*problems, *_find_uneven(splits, case_ids), *_find_twins(splits, twins))


def _check_fold(where: str, split: Split, case_ids: Collection[str], group_of: Mapping[str, str]) -> Iterator[Problem]:
    train, validation = set(split.train), set(split.validation)
    for case_id in sorted((train | validation) - set(case_ids)):
        yield error(where, f"names {case_id}, but the dataset has no such case.{did_you_mean(case_id, case_ids)}")
    for side, ids in (("trains", split.train), ("validates", split.validation)):
        if not ids:
            yield error(where, f"{side} on no case. Each side needs one; --fold all trains without validation.")
        for case_id in sorted(one for one, n in Counter(ids).items() if n > 1):
            yield error(where, f"{side} on {case_id} twice. Name it once.")
    for case_id in sorted(train & validation):
        yield error(where, f"trains and validates on {case_id}. A case belongs to one side.")
    seen = {group_of[case_id]: case_id for case_id in sorted(train - validation, reverse=True) if case_id in group_of}
    for case_id in sorted(validation - train):
        if (group := group_of.get(case_id)) in seen and group is not None:
            message = f"trains on {seen[group]} and validates on {case_id}, both of group {group}"
            yield error(where, f"{message}. A group belongs to one side.")


def _find_uneven(splits: Sequence[Split], case_ids: Collection[str]) -> Iterator[Problem]:
    """Cases that are validated by no fold or by more than one."""
    counts = Counter(case_id for split in splits for case_id in set(split.validation))
    if never := sorted(set(case_ids) - set(counts)):
        yield warning(
            "splits",
            f"no fold validates {name_cases(never)}: cross-validation does not score them, and a cascade, which "
            "learns from models that never saw a case, cannot be trained on them.",
        )
    if often := sorted(case_id for case_id, n in counts.items() if n > 1):
        yield warning("splits", f"several folds validate {name_cases(often)}: they count as often in the selection.")


def _find_twins(splits: Sequence[Split], twins: Sequence[Sequence[str]]) -> Iterator[Problem]:
    """Cases with the same image, of which a fold trains on one and validates on the other; each set of them once."""
    for cases in twins:
        for fold, split in enumerate(splits):
            shared = set(cases) & set(split.train), set(cases) & set(split.validation)
            if all(shared):
                yield warning(
                    f"fold {fold}",
                    f"trains on {min(shared[0])} and validates on {min(shared[1])}, which have the same image file. "
                    "Remove one of them, or give both one group in groups.csv.",
                )
                break
