"""From a plan to what training needs: splits and preprocessed cases, each made if missing or stale."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from autoseg.data.splits import ALL, Fold, Split
from autoseg.errors import ResourceError, UsageError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.pipeline.planning import ensure_fingerprint
from autoseg.pipeline.project import Project
from autoseg.pipeline.splitting import settle_splits
from autoseg.planning.forecasting import count_stored_bytes
from autoseg.planning.grids import count_stored_voxels
from autoseg.planning.plan import Plan
from autoseg.preprocessing.preprocessing_cases import preprocess_cases
from autoseg.workspace import Workspace


def ensure_splits(project: Project, plan: Plan) -> tuple[Split, ...]:
    """Who trains and who validates in each fold. Raises WorkspaceError, DatasetError: see `splitting.settle_splits`."""
    return settle_splits(project, plan).folds


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


def describe_disk(plan: Plan, folders: Mapping[str, Path]) -> str:
    """What the preprocessed cases of these configurations take, and what the plan had predicted; shared ones once."""
    unique = {folder: name for name, folder in folders.items()}
    predicted_gb = sum(plan.find_configuration(name).disk_gb.value for name in unique.values())
    used_gb = sum(path.stat().st_size for folder in unique for path in folder.iterdir() if path.is_file()) / 1e9
    return f"Preprocessed data take {used_gb:.3g} GB of disk; {predicted_gb:.3g} GB were predicted, before compression."


def find_configurations(plan: Plan, wanted: Sequence[str]) -> tuple[str, ...]:
    """The configurations that were asked for, or the plan's first choice if none was."""
    for name in wanted:
        plan.find_configuration(name)
    return tuple(wanted) or (plan.first_choice,)


def parse_folds(wanted: Sequence[str]) -> tuple[Fold, ...]:
    """Folds as a person wrote them, `all` last; none for nothing. Raises UsageError for other words."""
    for word in wanted:
        if not word.isdigit() and word != ALL:
            raise UsageError(f"--fold {word}: expected a number, 0, 1, ..., or all.")
    numbers = sorted({int(word) for word in wanted if word.isdigit()})
    return (*numbers, ALL) if ALL in wanted else tuple(numbers)


def find_folds(splits: Sequence[Split], wanted: Sequence[str]) -> tuple[Fold, ...]:
    """The folds that were asked for; every fold of the cross-validation for nothing.

    Raises:
        UsageError: the splits have no such fold.
    """
    folds = parse_folds(wanted)
    for fold in folds:
        if fold != ALL and fold >= len(splits):
            raise UsageError(
                f"--fold {fold}: the splits have folds 0 to {len(splits) - 1}. Use one of them, none of them for all "
                "of them, or all for one model of every case."
            )
    return folds or tuple(range(len(splits)))
