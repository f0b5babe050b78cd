"""Which configuration, or which ensemble of two, predicts best; decided by the pooled cross-validation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from autoseg.data.dataset import Dataset
from autoseg.decision import Decision
from autoseg.errors import WorkspaceError
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import Report
from autoseg.evaluation.selecting import name_candidate, select_best
from autoseg.networks.device import choose_device
from autoseg.pipeline.cascading import find_previous, list_previous
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.preparing import ensure_preprocessed, ensure_splits
from autoseg.pipeline.project import Project
from autoseg.pipeline.scoring import StoredPredictor, predict_and_score, read_labels
from autoseg.planning.plan import Plan
from autoseg.postprocessing.deciding import Postprocessing, decide_postprocessing
from autoseg.prediction.predictor import load_predictor
from autoseg.serialization import (
    Record,
    digest,
    digest_file,
    parse_record,
    read_json,
    read_yaml,
    write_json,
    write_yaml,
)
from autoseg.workspace import Workspace

HEADER = """What cross-validation decided: which configurations predict together, and what is done to their result.
Shorten a block to its bare value to set it by hand, e.g. `configurations: [3d_fullres]`."""


class Selection(Record):
    """The empirical decisions.

    Attributes:
        autoseg_selection: version of this format.
        basis: digest of the validation reports that the decisions rest on.
        folds: folds that every candidate was trained on.
        configurations: the configurations whose probabilities are averaged.
        postprocessing: what is done to the segmentation.
        validation_dice: mean foreground Dice of every candidate.
    """

    autoseg_selection: int = 1
    basis: str
    folds: tuple[int, ...]
    configurations: Decision[tuple[str, ...]]
    postprocessing: Decision[Postprocessing]
    validation_dice: dict[str, float]


def ensure_selection(project: Project, *, device: str = "auto") -> Selection:
    """The selection, made if it is missing or if folds were trained since.

    Raises:
        WorkspaceError: no fold has been trained.
    """
    plan = ensure_plan(project)
    reports = read_fold_reports(project.workspace, plan)
    if not reports:
        raise WorkspaceError(
            f"{project.workspace.root}: no fold has been trained and validated. Run "
            f"`autoseg train {project.dataset.folder} --fold 0` first; a model of all cases (--fold all) is not scored."
        )
    basis = digest({f"{name}/{fold}": report for (name, fold), report in reports.items()})
    known = read_selection(project.workspace)
    if known is not None and known.basis == basis:
        return known
    selection = _keep_edits(project, _select(project, plan, reports, basis, device), known)
    write_yaml(project.workspace.selection, selection, header=HEADER)
    project.reporter.say(f"Selected {' + '.join(selection.configurations.value)}: {project.workspace.selection}")
    return selection


def _keep_edits(project: Project, selection: Selection, known: Selection | None) -> Selection:
    """What a person set in the file before stays, and is said."""
    names = ("configurations", "postprocessing")
    edits = {name: getattr(known, name) for name in names if known and getattr(known, name).source == "user"}
    if edits:
        project.reporter.warn(f"{project.workspace.selection}: keeping what was set by hand: {', '.join(edits)}.")
    return selection.model_copy(update=edits)


def read_selection(workspace: Workspace) -> Selection | None:
    """The stored selection, None if there is none."""
    path = workspace.selection
    if not path.is_file():
        return None
    return parse_record(Selection, read_yaml(path), where=str(path), error=WorkspaceError)


def read_fold_reports(workspace: Workspace, plan: Plan) -> dict[tuple[str, int], Report]:
    """Validation reports of the trained folds of the cross-validation, by configuration and fold."""
    reports = {}
    for name in plan.configurations:
        for fold, run in workspace.find_folds(name).items():
            if run.report.is_file():
                reports[name, fold] = parse_record(Report, read_json(run.report), where=str(run.report))
    return reports


def _select(project: Project, plan: Plan, reports: dict[tuple[str, int], Report], basis: str, device: str) -> Selection:
    names = sorted({name for name, _ in reports}, key=list(plan.configurations).index)
    folds = _common_folds(names, reports)
    candidates = {name: _pool([reports[name, fold] for fold in folds], project.dataset) for name in names}
    for pair in itertools.combinations(names, 2):
        candidates[name_candidate(pair)] = _score_ensemble(project, plan, pair, folds, device)
    best = select_best(candidates)
    case_ids = [case.case_id for case in candidates[name_candidate(best.value)].cases]
    postprocessing = decide_postprocessing(
        lambda: _read_pairs(project, best.value, folds, case_ids),
        project.dataset.labels,
        annotated=[project.dataset.find_case(case_id).annotated for case_id in case_ids],
    )
    dice = {name: round(report.mean_dice, 5) for name, report in candidates.items()}
    return Selection(basis=basis, folds=folds, configurations=best, postprocessing=postprocessing, validation_dice=dice)


def _common_folds(names: Sequence[str], reports: dict[tuple[str, int], Report]) -> tuple[int, ...]:
    """Folds that every configuration was trained on: only these compare like with like."""
    folds = set.intersection(*({fold for name, fold in reports if name == wanted} for wanted in names))
    if not folds:
        trained = ", ".join(f"{name} fold {fold}" for name, fold in sorted(reports))
        raise WorkspaceError(f"No fold was trained for all of {', '.join(names)} (there are: {trained}). Train one.")
    return tuple(sorted(folds))


def _pool(reports: Sequence[Report], dataset: Dataset) -> Report:
    return make_report([case for report in reports for case in report.cases], dataset.labels)


def _score_ensemble(project: Project, plan: Plan, names: Sequence[str], folds: Sequence[int], device: str) -> Report:
    """Predict every validation case with the two configurations of its own fold, and score the ensemble."""
    folder = project.workspace.crossvalidation(name_candidate(tuple(names)))
    stored = folder / "report.json"
    paths = [project.workspace.run(name, fold).checkpoint for fold in folds for name in list_previous(plan, names)]
    basis = digest([digest_file(path) for path in paths if path.is_file()])
    if stored.is_file() and (content := read_json(stored)).get("basis") == basis:
        return parse_record(Report, content["report"], where=str(stored))
    stores = ensure_preprocessed(project, plan, names)
    splits = ensure_splits(project, plan)
    reports = []
    for fold in folds:
        case_ids = splits[fold].validation
        ensemble = [
            StoredPredictor(
                load_predictor([project.workspace.run(name, fold).checkpoint], device=choose_device(device)),
                stores[name],
                find_previous(project, plan, name, case_ids, device=device),
            )
            for name in names
        ]
        reports.append(predict_and_score(project, ensemble, case_ids, folder))
    report = _pool(reports, project.dataset)
    write_json(stored, {"basis": basis, "report": report})
    return report


def _read_pairs(
    project: Project, names: Sequence[str], folds: Sequence[int], case_ids: Sequence[str]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Reference and prediction of every validation case, one at a time."""
    labels = project.dataset.labels
    for case_id in case_ids:
        case = project.dataset.find_case(case_id)
        assert case.segmentation is not None, "a validation case has a reference"
        file_name = f"{case_id}{project.dataset.file_ending}"
        folders = [project.workspace.run(names[0], fold).validation for fold in folds]
        if len(names) > 1:
            folders = [project.workspace.crossvalidation(name_candidate(tuple(names)))]
        places = [folder / file_name for folder in folders if (folder / file_name).is_file()]
        if not places:
            raise WorkspaceError(
                f"{folders[0] / file_name}: is missing. Remove report.json beside it and run `autoseg train` again, "
                "which predicts the fold's validation cases anew."
            )
        predicted = places[0]
        yield read_labels(case.segmentation, labels), read_labels(predicted, labels)
