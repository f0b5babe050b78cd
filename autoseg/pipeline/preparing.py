"""From a plan to what training needs: splits and preprocessed cases, each made if missing or stale."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from autoseg.data.splits import Split, make_splits
from autoseg.errors import ResourceError, UsageError, WorkspaceError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.pipeline.planning import ensure_fingerprint, has_runs
from autoseg.pipeline.project import Project
from autoseg.planning.forecasting import count_stored_bytes
from autoseg.planning.grids import count_stored_voxels
from autoseg.planning.plan import Plan
from autoseg.preprocessing.preprocessing_cases import preprocess_cases
from autoseg.serialization import parse_record, read_json, write_json
from autoseg.workspace import Workspace


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
    folders = {name: find_store(project.workspace, plan, name) for name in configurations}
    unique = {folder: name for name, folder in reversed(folders.items())}  # two configurations may share one
    fingerprint = ensure_fingerprint(project)
    sources = {facts.id: facts.files for facts in fingerprint.cases}
    if not all(folder.is_dir() for folder in folders.values()):
        _say_disk(project, plan, fingerprint, list(unique.values()))
    with project.reporter.follow("Preprocessing", len(project.dataset.cases)) as advance:
        n_new = preprocess_cases(
            project.dataset,
            plan,
            {name: folder for folder, name in unique.items()},
            sources=sources,
            on_progress=lambda done, total: advance(done, ""),
        )
    if n_new:
        project.reporter.say(f"Preprocessed {n_new} cases for {', '.join(configurations)}.")
    return folders


def find_store(workspace: Workspace, plan: Plan, configuration: str) -> Path:
    """The folder of a configuration's preprocessed cases."""
    n_dimensions = plan.find_configuration(configuration).n_dimensions
    return workspace.preprocessed(n_dimensions, plan.preprocessing_digest(configuration))


def _say_disk(project: Project, plan: Plan, fingerprint: Fingerprint, configurations: Sequence[str]) -> None:
    """Say how much disk preprocessing takes. Raises ResourceError before it begins if there is less."""
    needed_gb = sum(estimate_stored_bytes(fingerprint, plan, name) for name in configurations) / 1e9
    free_gb = shutil.disk_usage(project.workspace.fingerprint.parent).free / 1e9
    sentence = f"{project.workspace.root}: preprocessed data need at most {needed_gb:.2f} GB of disk"
    if needed_gb > free_gb:
        raise ResourceError(f"{sentence}, but {free_gb:.2f} GB are free. Make room, or choose another --workspace.")
    project.reporter.say(f"{sentence}; {free_gb:.0f} GB are free.")


def estimate_stored_bytes(fingerprint: Fingerprint, plan: Plan, configuration: str) -> int:
    """Bytes of all preprocessed cases of a configuration before compression."""
    target = plan.find_configuration(configuration).spacing_mm.value
    voxels = count_stored_voxels(fingerprint, plan.axis_order.value, target)
    return count_stored_bytes(voxels, len(fingerprint.channels), fingerprint.labels.n_labels)


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
