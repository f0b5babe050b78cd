"""From a dataset to preprocessed cases: fingerprint, plan, splits, preprocessing, each made if missing or stale.

Every function here returns the artifact, reading it where it is current and making it where it is not, and says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autoseg.data.splits import Split, make_splits
from autoseg.errors import AutosegError, ResourceError, UsageError, WorkspaceError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.fingerprinting.measuring import measure_fingerprint
from autoseg.pipeline.project import Project
from autoseg.planning.devices import DeviceFacts, measure_device
from autoseg.planning.explaining import list_decisions
from autoseg.planning.plan import Plan, Wishes
from autoseg.planning.plan_file import read_plan, write_plan
from autoseg.planning.planner import make_plan
from autoseg.preprocessing.preprocessing_cases import preprocess_cases
from autoseg.serialization import parse_record, read_json, write_json
from autoseg.workspace import Workspace

WARNING = "WARNING: "  # how a reason begins that a person should read


def ensure_fingerprint(project: Project) -> Fingerprint:
    """The dataset's fingerprint; only cases whose files changed are measured again."""
    path = project.workspace.fingerprint
    known = parse_record(Fingerprint, read_json(path), where=str(path)) if path.is_file() else None
    if known is not None and known.listing == project.listing:
        return known
    with project.reporter.follow("Measuring the fingerprint", len(project.dataset.cases)) as advance:
        fingerprint = measure_fingerprint(
            project.dataset, known=known, on_progress=lambda done, total: advance(done, "")
        )
    fingerprint = fingerprint.model_copy(update={"listing": project.listing})
    write_json(path, fingerprint)
    project.reporter.say(f"Fingerprint of {fingerprint.n_cases} cases: {path}")
    for warning in fingerprint.warnings:
        project.reporter.warn(warning)
    return fingerprint


def ensure_device(project: Project, device: str = "auto") -> DeviceFacts:
    """What the device can do: measured once for a workspace, so that planning again gives the same plan."""
    path, kind = project.workspace.device, device.split(":")[0]
    if path.is_file():
        facts = parse_record(DeviceFacts, read_json(path), where=str(path))
        if kind in ("auto", facts.device):
            return facts
    facts = measure_device(kind)
    write_json(path, facts)
    return facts


def ensure_plan(project: Project, wishes: Wishes | None = None, *, device: str = "auto") -> Plan:
    """The plan; made if there is none, made anew if it is stale or a new wish reaches it before any training.

    What was wished for before stays wished for unless the new wish says otherwise. A plan that was edited by hand, or
    that a fold was trained under, is never replaced silently.

    Raises:
        WorkspaceError: such a plan no longer fits the dataset.
        PlanError: the plan contradicts itself.
    """
    fingerprint = ensure_fingerprint(project)
    path = project.workspace.plan
    if not path.is_file():
        return renew_plan(project, wishes or Wishes(), device=device)
    plan = read_plan(path)
    wanted = merge_wishes(plan.wishes, wishes)
    is_free = not plan.pinned and not has_runs(project.workspace)
    if plan.fingerprint_digest != fingerprint.digest:
        if not is_free:
            raise WorkspaceError(
                f"{path}: the dataset changed since this plan was made. Plan anew with `autoseg plan`, which keeps the "
                "old plan beside the new one, or restore the data."
            )
        project.reporter.say("The dataset changed since the plan was made; planning anew.")
        return renew_plan(project, wanted, device=device)
    if wanted != plan.wishes:
        if is_free:
            project.reporter.say("Planning anew for the budget that was asked for: nothing has been trained yet.")
            return renew_plan(project, wanted, device=device)
        project.reporter.say(f"Keeping the plan: {_why_kept(plan)}. `autoseg plan` makes a new one.")
    return plan


def merge_wishes(before: Wishes, now: Wishes | None) -> Wishes:
    """Earlier wishes, with those that were uttered now in their place; a new length replaces a length of any kind."""
    uttered = now.model_dump(exclude_defaults=True) if now else {}
    lengths = {"train_time_s", "n_epochs"}
    kept = before.model_dump(exclude_defaults=True, exclude=lengths if lengths & set(uttered) else set())
    return Wishes(**{**kept, **uttered})


def renew_plan(project: Project, wishes: Wishes, *, device: str = "auto") -> Plan:
    """Make the plan for these wishes; another one that stood there is kept as `plan.old1.yaml`, ..."""
    fingerprint = ensure_fingerprint(project)
    plan = make_plan(fingerprint, ensure_device(project, device), wishes)
    path = project.workspace.plan
    if path.is_file():
        _keep_old_plan(project, path, plan)
    write_plan(path, plan)
    project.reporter.say(f"Plan: {path}")
    for row in list_decisions(plan):
        if row.reason.startswith(WARNING):
            project.reporter.warn(f"{row.key}: {row.reason.removeprefix(WARNING)}")
    return plan


def _keep_old_plan(project: Project, path: Path, plan: Plan) -> None:
    """Copy a plan that is about to be replaced by another one; a file that is no plan any more is kept as well."""
    try:
        old = read_plan(path)
        if old == plan:
            return
        pinned = old.pinned
    except AutosegError:
        pinned = ()
    number = 1
    while (kept := path.with_suffix(f".old{number}.yaml")).exists():
        number += 1
    shutil.copy2(path, kept)
    project.reporter.say(f"The plan before is kept: {kept}")
    if pinned:
        project.reporter.warn(f"Values that were set by hand are not carried over: {', '.join(pinned)}. Set them anew.")


def _why_kept(plan: Plan) -> str:
    return "it was edited by hand" if plan.pinned else "a fold was trained under it"


def has_runs(workspace: Workspace) -> bool:
    """Whether any fold was trained, wholly or in part."""
    return any(workspace.runs.glob("*/fold_*/*.safetensors"))


def ensure_splits(project: Project, plan: Plan) -> tuple[Split, ...]:
    """Who trains and who validates in each fold.

    Raises:
        WorkspaceError: the stored splits name other cases than the dataset has.
    """
    path = project.workspace.splits
    ids = project.dataset.case_ids
    n_folds = min(plan.n_folds.value, len(ids))
    if path.is_file():
        splits = tuple(parse_record(Split, one, where=str(path)) for one in read_json(path))
        _refuse_leaks(splits, path)
        if len(splits) == n_folds and {case for split in splits for case in split.train + split.validation} == set(ids):
            return splits
        if has_runs(project.workspace):
            raise WorkspaceError(
                f"{path}: has {len(splits)} folds of other cases or numbers than the dataset and the plan ({n_folds} "
                "folds) have now, and folds were trained on it. Restore them, or use a new --workspace."
            )
    splits = make_splits(ids, n_folds=n_folds)
    write_json(path, splits)
    return splits


def _refuse_leaks(splits: Sequence[Split], path: Path) -> None:
    for fold, split in enumerate(splits):
        if leaked := sorted(set(split.train) & set(split.validation)):
            raise WorkspaceError(
                f"{path}: fold {fold} trains and validates on {leaked[0]}. A case belongs to one side."
            )


def ensure_preprocessed(project: Project, plan: Plan, configurations: Sequence[str]) -> dict[str, Path]:
    """Preprocessed cases of these configurations, each case decoded once for all of them. Returns their folders."""
    folders = {name: project.workspace.preprocessed(name, plan.preprocessing_digest(name)) for name in configurations}
    fingerprint = ensure_fingerprint(project)
    sources = {facts.id: facts.files for facts in fingerprint.cases}
    if not all(folder.is_dir() for folder in folders.values()):
        _say_disk(project, plan, fingerprint, configurations)
    with project.reporter.follow("Preprocessing", len(project.dataset.cases)) as advance:
        n_new = preprocess_cases(
            project.dataset, plan, folders, sources=sources, on_progress=lambda done, total: advance(done, "")
        )
    if n_new:
        project.reporter.say(f"Preprocessed {n_new} cases for {', '.join(configurations)}.")
    return folders


def _say_disk(project: Project, plan: Plan, fingerprint: Fingerprint, configurations: Sequence[str]) -> None:
    """Say how much disk preprocessing takes. Raises ResourceError before it begins if there is less."""
    needed_gb = sum(estimate_stored_bytes(fingerprint, plan, name) for name in configurations) / 1e9
    free_gb = shutil.disk_usage(project.workspace.fingerprint.parent).free / 1e9
    sentence = f"{project.workspace.root}: preprocessed data need at most {needed_gb:.2f} GB of disk"
    if needed_gb > free_gb:
        raise ResourceError(f"{sentence}, but {free_gb:.2f} GB are free. Make room, or choose another --workspace.")
    project.reporter.say(f"{sentence}; {free_gb:.0f} GB are free.")


def estimate_stored_bytes(fingerprint: Fingerprint, plan: Plan, configuration: str) -> int:
    """Bytes of all preprocessed cases before compression: float32 channels and a segmentation of one or two bytes."""
    target = plan.find_configuration(configuration).spacing_mm.value
    order = list(plan.axis_order.value)
    shapes = fingerprint.shapes_after_cropping[:, order].astype(float)
    spacings = fingerprint.spacings_mm[:, order]
    axes = slice(3 - len(target), 3)
    shapes[:, axes] *= spacings[:, axes] / np.array(target)
    per_voxel = 4 * len(fingerprint.channels) + (1 if fingerprint.labels.n_labels <= 128 else 2)
    return int(np.prod(np.maximum(np.round(shapes), 1), axis=1).sum()) * per_voxel


def find_configurations(plan: Plan, wanted: Sequence[str]) -> tuple[str, ...]:
    """The configurations that were asked for, or the plan's first choice if none was."""
    for name in wanted:
        plan.find_configuration(name)
    return tuple(wanted) or (plan.first_choice,)


def parse_folds(wanted: Sequence[str]) -> tuple[int, ...]:
    """Fold numbers as a person wrote them; none for `all` or for nothing. Raises UsageError for other words."""
    words = [word for word in wanted if word != "all"]
    for word in words:
        if not word.isdigit():
            raise UsageError(f"--fold {word}: expected a number, 0, 1, ..., or all.")
    return () if len(words) < len(wanted) else tuple(sorted({int(word) for word in words}))


def find_folds(splits: Sequence[Split], wanted: Sequence[str]) -> tuple[int, ...]:
    """The folds that were asked for; every fold for `all` or for nothing.

    Raises:
        UsageError: the splits have no such fold.
    """
    numbers = parse_folds(wanted)
    for fold in numbers:
        if fold >= len(splits):
            raise UsageError(f"--fold {fold}: the splits have folds 0 to {len(splits) - 1}. Use one of them, or all.")
    return numbers or tuple(range(len(splits)))
