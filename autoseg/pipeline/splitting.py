"""The `split` verb: the folds that stand, made if missing or stale, and checked for leaks whoever made them.

Trained folds bind the splits: what they rest on is never made anew in silence. What a person made is never made anew
at all. Both are checked once for each state of the dataset, so that a warning is said once.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from autoseg.data.dataset import Dataset
from autoseg.data.groups import Grouping, find_groups
from autoseg.data.leaks import find_leaks
from autoseg.data.split_file import Splits, read_splits
from autoseg.data.splits import decide_splits
from autoseg.errors import UsageError, WorkspaceError
from autoseg.fingerprinting.fingerprint import CaseFacts, Fingerprint
from autoseg.pipeline.planning import ensure_fingerprint
from autoseg.pipeline.project import Project
from autoseg.planning.plan import Plan
from autoseg.serialization import Record, write_json
from autoseg.workspace import Workspace


class FoldFacts(Record):
    """What a fold consists of; pairs count (training, validation).

    Attributes:
        fold: its number.
        cases, groups: how many of each.
        labels: cases that hold each label, by name.
    """

    fold: int
    cases: tuple[int, int]
    groups: tuple[int, int]
    labels: dict[str, tuple[int, int]]


def settle_splits(project: Project, plan: Plan, *, pattern: str | None = None) -> Splits:
    """The splits, read where they fit the dataset and the plan, made where they do not.

    Args:
        pattern: groups by a regular expression on case ids, from now on; "" for none any more. None keeps what the
            splits that stand were made with.

    Raises:
        WorkspaceError: splits that a person made, or that folds were trained on, no longer fit, or leak.
        DatasetError: groups.csv is wrong, or there is nothing to split.
        UsageError: the pattern is wrong, or the splits were made by hand.
    """
    path = project.workspace.splits
    standing = read_splits(path) if path.is_file() else None
    if standing is not None and pattern is not None and standing.is_made_by_hand:
        raise UsageError(f"--group-pattern: {path} was made by hand. Remove it, and autoseg splits by groups.")
    grouping = _find_groups(project, standing, pattern)
    if standing is None:
        return _check(project, plan, _make(project, plan, grouping), grouping)
    if standing.is_made_by_hand:
        standing = standing if standing.source == "user" else _note_edit(standing)
        return _check(project, plan, standing, grouping)
    if differences := _compare(project, plan, standing, grouping):
        if _has_folds(project.workspace):
            raise WorkspaceError(
                f"{path}: was made for {differences}, and folds were trained on it. Restore them, or use a new "
                "--workspace."
            )
        standing = _make(project, plan, grouping)
    return _check(project, plan, standing, grouping)


def adopt_splits(project: Project, plan: Plan, source: Path) -> Splits:
    """Take over splits that a person made, in autoseg's form or nnU-Net's; other ones that stood there are kept.

    Raises:
        WorkspaceError: the file holds no splits, they leak, or folds were trained on others.
    """
    path, brought = project.workspace.splits, read_splits(source)
    standing = read_splits(path) if path.is_file() else None
    if standing is not None and standing.folds == brought.folds:
        return settle_splits(project, plan)
    if _has_folds(project.workspace):
        raise WorkspaceError(f"{path}: folds were trained on it. Use a new --workspace for {source}.")
    reason = f"made by hand: {source.name}"
    brought = brought.model_copy(update={"source": "user", "reason": reason, "balanced": (), "checked": ""})
    _refuse_leaks(project, brought, find_groups(project.dataset), where=source)
    if standing is not None and standing.is_made_by_hand:
        _keep(project, path)
    return _check(project, plan, brought, find_groups(project.dataset))


def describe_folds(splits: Splits, fingerprint: Fingerprint) -> tuple[FoldFacts, ...]:
    """What each fold consists of."""
    group_of = splits.grouping.group_of if splits.grouping else {}
    labels_of = list_labels(fingerprint)
    return tuple(
        FoldFacts(
            fold=fold,
            cases=(len(split.train), len(split.validation)),
            groups=(_count_groups(split.train, group_of), _count_groups(split.validation, group_of)),
            labels={
                name: (_count_holding(split.train, labels_of, name), _count_holding(split.validation, labels_of, name))
                for name in fingerprint.labels.names[1:]
            },
        )
        for fold, split in enumerate(splits.folds)
    )


def list_labels(fingerprint: Fingerprint) -> dict[str, tuple[str, ...]]:
    """Names of the labels that each case holds."""
    names = fingerprint.labels.names[1:]
    return {
        facts.id: tuple(name for name, n in zip(names, facts.label_voxels, strict=False) if n)
        for facts in fingerprint.cases
    }


def _find_groups(project: Project, standing: Splits | None, pattern: str | None) -> Grouping | None:
    """By groups.csv, by the pattern that is asked for, or by the one that the standing splits were made with."""
    if pattern is not None:
        return find_groups(project.dataset, pattern or None)
    known = standing.grouping.pattern if standing and standing.grouping else None
    from_file = find_groups(project.dataset)
    return from_file if from_file or known is None else find_groups(project.dataset, known)


def _note_edit(splits: Splits) -> Splits:
    """Splits that a person edited say so, and nothing of how autoseg had made them."""
    return Splits(source="user", n_folds=len(splits.folds), seed=None, folds=splits.folds)


def _make(project: Project, plan: Plan, grouping: Grouping | None) -> Splits:
    wanted = min(plan.n_folds.value, len(project.dataset.case_ids))
    dealt = decide_splits(
        project.dataset.case_ids,
        wanted,
        group_of=grouping.group_of if grouping else None,
        labels_of=list_labels(ensure_fingerprint(project)),
    )
    project.reporter.say(f"Splits: {dealt.reason}. {project.workspace.splits}")
    made = Splits(reason=dealt.reason, n_folds=wanted, balanced=dealt.balanced, folds=dealt.splits)
    return made.model_copy(update={"made": made.digest})


def _compare(project: Project, plan: Plan, standing: Splits, grouping: Grouping | None) -> str:
    """What the standing splits were made for and is otherwise now, in words; "" where nothing is."""
    differences = []
    if standing.case_ids != set(project.dataset.case_ids):
        differences.append("other cases")
    if standing.n_folds != (n_folds := min(plan.n_folds.value, len(project.dataset.case_ids))):
        differences.append(f"{standing.n_folds} folds instead of {n_folds}")
    if (standing.grouping.digest if standing.grouping else None) != (grouping.digest if grouping else None):
        differences.append("other groups")
    return " and ".join(differences)


def _check(project: Project, plan: Plan, splits: Splits, grouping: Grouping | None) -> Splits:
    """Refuse leaks and tell warnings, unless this very state was checked before; writes what was found."""
    state = splits.name_state(project.listing, plan.n_folds.value, grouping)
    if splits.checked == state:
        return splits
    warnings = _refuse_leaks(project, splits, grouping, where=project.workspace.splits)
    if splits.source == "user" and len(splits.folds) != plan.n_folds.value:
        n_folds = len(splits.folds)
        warnings += (
            f"{project.workspace.splits}: has {n_folds} folds, the plan {plan.n_folds.value}. The file counts; "
            f"forecasts agree with it after `autoseg plan {project.dataset.folder} --set n_folds={max(n_folds, 2)}`.",
        )
    for sentence in warnings:
        if sentence not in splits.warnings:
            project.reporter.warn(sentence)
    update = {"warnings": warnings, "grouping": grouping, "checked": state, "made": splits.digest}
    checked = splits.model_copy(update=update)
    write_json(project.workspace.splits, checked)
    return checked


def _refuse_leaks(project: Project, splits: Splits, grouping: Grouping | None, *, where: Path) -> tuple[str, ...]:
    """Raise WorkspaceError for all errors at once; returns the warnings."""
    problems = find_leaks(
        splits.folds,
        project.dataset.case_ids,
        grouping=grouping,
        files_of=list_image_files(project.dataset, ensure_fingerprint(project)),
    )
    errors = [f"{where}: {problem.where} {problem.message}" for problem in problems if problem.severity == "error"]
    if errors:
        raise WorkspaceError("\n".join(errors[:10]) + (f"\n... and {len(errors) - 10} more." if errors[10:] else ""))
    return tuple(f"{where}: {problem.where}: {problem.message}" for problem in problems)


def list_image_files(dataset: Dataset, fingerprint: Fingerprint) -> Mapping[str, tuple[str, ...]]:
    """Digests of the image files of each case; a channel of one value, which many cases may share, is none."""
    known = {facts.id: facts for facts in fingerprint.cases}
    return {case.id: _list_digests(known[case.id], len(case.images)) for case in dataset.cases if case.id in known}


def _list_digests(facts: CaseFacts, n_images: int) -> tuple[str, ...]:
    by_position = {int(name.split(" ")[0]): one for name, one in facts.files.items()}
    ranges = dict(enumerate(facts.channel_ranges)) if len(facts.channel_ranges) == n_images else {}
    blank = {position for position, (low, high) in ranges.items() if low == high}
    return tuple(by_position[position] for position in range(n_images) if position in by_position.keys() - blank)


def _has_folds(workspace: Workspace) -> bool:
    """Whether a fold of the cross-validation was trained under any plan; `all` rests on no split."""
    homes = [(place, folder.name) for place in workspace.variants for folder in place.runs.glob("*")]
    runs = [run for place, name in homes for run in place.find_folds(name).values()]
    return any(run.checkpoint.is_file() or run.resume.is_file() for run in runs)


def _keep(project: Project, path: Path) -> None:
    number = 1
    while (kept := path.with_suffix(f".old{number}.json")).exists():
        number += 1
    shutil.copy2(path, kept)
    project.reporter.say(f"The splits before are kept: {kept}")


def _count_groups(case_ids: tuple[str, ...], group_of: Mapping[str, str]) -> int:
    return len({group_of.get(case_id, case_id) for case_id in case_ids})


def _count_holding(case_ids: tuple[str, ...], labels_of: Mapping[str, tuple[str, ...]], label: str) -> int:
    return sum(label in labels_of.get(case_id, ()) for case_id in case_ids)
