"""Where does a trained ensemble lie? What was selected, and the checkpoints of its folds; nothing is loaded here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoseg.data.dataset import Dataset
from autoseg.data.splits import ALL, Fold
from autoseg.errors import WorkspaceError
from autoseg.pipeline.project import open_project, read_model_dataset
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.selection import Selection, read_fold_reports, read_selection
from autoseg.planning.plan_file import read_plan
from autoseg.workspace import Workspace


def find_selection(
    source: Path,
    workspace: Path | None,
    variant: str | None,
    folds: Sequence[Fold],
    reporter: Reporter,
    device: str,
) -> tuple[Workspace, Dataset, Selection | None]:
    """Where the folds lie, what they were trained on, and what was selected.

    A workspace alone may lack a selection, and so may a dataset of which only a model of all cases was trained.
    """
    place = Workspace(Path(source), variant)
    if not place.plan.is_file() and Workspace(Path(source)).plan.is_file():
        raise WorkspaceError(f"{place.plan}: is not there: this workspace has no variant {variant}.")
    if place.plan.is_file():
        return place, read_model_dataset(place), read_selection(place)
    from autoseg.pipeline.planning import ensure_plan
    from autoseg.pipeline.selecting import ensure_selection

    project = open_project(source, workspace=workspace, variant=variant, reporter=reporter)
    if ALL in folds and not read_fold_reports(project.workspace, ensure_plan(project)):
        return project.workspace, project.dataset, None
    return project.workspace, project.dataset, ensure_selection(project, device=device)


def find_trained_on_all(place: Workspace, dataset: Dataset) -> tuple[str, ...]:
    """The configuration that a model of all cases was trained for: the plan's first choice, if there are several."""
    plan = read_plan(place.plan)
    names = [name for name in plan.configurations if place.run(name, ALL).checkpoint.is_file()]
    if not names:
        from autoseg.pipeline.cascading import phrase_training

        command = phrase_training(dataset, place, plan.first_choice, "--fold", ALL)
        raise WorkspaceError(f"{place.runs}: no model was trained on all cases. Run `{command}` first.")
    return (plan.first_choice,) if plan.first_choice in names else (names[0],)


def find_checkpoints(place: Workspace, dataset: Dataset, configuration: str, folds: Sequence[Fold]) -> list[Path]:
    """Checkpoints of the wanted folds, or of every trained one of the cross-validation.

    Raises:
        UsageError: the plan has no such configuration; names the nearest.
        WorkspaceError: a fold is not trained; names the command.
    """
    wanted = [place.run(configuration, fold).checkpoint for fold in folds]
    paths = wanted or [run.checkpoint for run in place.find_folds(configuration).values() if run.checkpoint.is_file()]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        read_plan(place.plan).find_configuration(configuration)  # a mistyped name is no training that is missing
        from autoseg.pipeline.cascading import phrase_training

        command = phrase_training(dataset, place, configuration, *(f"--fold={fold}" for fold in folds))
        is_all_there = not folds and place.run(configuration, ALL).checkpoint.is_file()
        instead = (
            "choose the model of all cases by --fold all" if is_all_there else "leave out --fold and --configuration"
        )
        what = ", ".join(missing) or str(place.trained(configuration))
        raise WorkspaceError(f"{what}: is not trained. Run `{command}` first, or {instead}.")
    return paths


def choose_folds_before(place: Workspace, configuration: str) -> tuple[Fold, ...]:
    """The folds that segment for a cascade: every trained one, which `()` means; or the model of all cases alone."""
    is_cross_validated = any(run.checkpoint.is_file() for run in place.find_folds(configuration).values())
    is_all_there = place.run(configuration, ALL).checkpoint.is_file()
    return (ALL,) if is_all_there and not is_cross_validated else ()
