"""Which configuration, or which ensemble, predicts best, and how well? Decided by the pooled cross-validation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from autoseg.data.dataset import Dataset
from autoseg.decision import Decision, found
from autoseg.errors import WorkspaceError
from autoseg.evaluation.calibrating import Calibration, calibrate
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import Report
from autoseg.evaluation.report_files import write_csv, write_markdown
from autoseg.evaluation.selecting import members_of, name_candidate, select_best
from autoseg.networks.device import choose_device
from autoseg.pipeline.candidate_costs import count_flops
from autoseg.pipeline.cascading import find_previous, list_previous
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.preparing import ensure_preprocessed, ensure_splits
from autoseg.pipeline.project import Project
from autoseg.pipeline.scoring import StoredPredictor, predict_and_score, read_labels
from autoseg.pipeline.selection import HEADER, NOT_CALIBRATED, FoldReports, Selection, read_fold_reports, read_selection
from autoseg.planning.plan import Plan
from autoseg.postprocessing.deciding import decide_postprocessing
from autoseg.prediction.configuration_predictor import load_predictor
from autoseg.prediction.options import PredictionOptions
from autoseg.serialization import (
    digest,
    digest_file,
    parse_record,
    read_json,
    to_plain,
    write_json,
    write_yaml,
)

Candidates = Mapping[str, Report]


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
    if known is not None and known.basis == basis and _is_calibrated(known, reports):
        return known
    folds, candidates = _gather_candidates(project, plan, reports, device)
    best = select_best(candidates, flops=count_flops(plan, candidates), fold_of=_find_folds(reports))
    selection = _keep_edits(project, _select(project, best, candidates, folds, basis), known)
    if selection.confidence == NOT_CALIBRATED:
        confidence = _calibrate(selection.configurations.value, candidates, reports)
        selection = selection.model_copy(update={"confidence": confidence})
    write_yaml(project.workspace.selection, selection, header=HEADER)
    project.reporter.say(f"Selected {' + '.join(selection.configurations.value)}: {project.workspace.selection}")
    return selection


def _keep_edits(project: Project, selection: Selection, known: Selection | None) -> Selection:
    """What a person set in the file before stays, and is said."""
    names = ("configurations", "postprocessing", "confidence")
    edits = {name: getattr(known, name) for name in names if known and getattr(known, name).source == "user"}
    if edits:
        project.reporter.warn(f"{project.workspace.selection}: keeping what was set by hand: {', '.join(edits)}.")
    return selection.model_copy(update=edits)


def _is_calibrated(known: Selection, reports: FoldReports) -> bool:
    """Whether nothing more can be said about confidence: it was decided, for what is selected, or cannot be."""
    if known.confidence == NOT_CALIBRATED:
        return not any(case.confidence for report in reports.values() for case in report.cases)
    is_for_these = known.find_calibration(known.configurations.value) is not None
    return known.confidence.value is None or known.confidence.source == "user" or is_for_these


def _calibrate(
    configurations: Sequence[str], candidates: Candidates, reports: FoldReports
) -> Decision[Calibration | None]:
    """What the certainty of these configurations' predictions is worth; they may have been set by hand."""
    scored = {frozenset(members_of(name)): report for name, report in candidates.items()}
    report = scored.get(frozenset(configurations))
    if report is None:
        return found(
            None,
            f"no Dice is predicted: {' + '.join(configurations)} was set by hand and is none of the candidates that "
            f"the cross-validation scored ({', '.join(candidates)})",
        )
    options = to_plain(PredictionOptions())  # as every case was validated
    return calibrate(report.cases, _find_folds(reports), configurations, options)


def _find_folds(reports: FoldReports) -> dict[str, int]:
    """The fold that held each case out."""
    return {case.case_id: fold for (_, fold), report in reports.items() for case in report.cases}


def _gather_candidates(
    project: Project, plan: Plan, reports: FoldReports, device: str
) -> tuple[tuple[int, ...], dict[str, Report]]:
    """The folds that all configurations share, and the scores there of each configuration and each pair."""
    names = sorted({name for name, _ in reports}, key=list(plan.configurations).index)
    folds = _common_folds(names, reports)
    candidates = {name: _pool({fold: reports[name, fold] for fold in folds}, project.dataset) for name in names}
    for pair in itertools.combinations(names, 2):
        candidates[name_candidate(pair)] = _score_ensemble(project, plan, pair, folds, device)
    return folds, candidates


def _select(
    project: Project, best: Decision[tuple[str, ...]], candidates: Candidates, folds: tuple[int, ...], basis: str
) -> Selection:
    case_ids = [case.case_id for case in candidates[name_candidate(best.value)].cases]
    postprocessing = decide_postprocessing(
        lambda: _read_pairs(project, best.value, folds, case_ids),
        project.dataset.labels,
        annotated=[project.dataset.find_case(case_id).annotated for case_id in case_ids],
    )
    dice = {name: round(report.mean_dice, 5) for name, report in candidates.items()}
    return Selection(basis=basis, folds=folds, configurations=best, postprocessing=postprocessing, validation_dice=dice)


def _common_folds(names: Sequence[str], reports: FoldReports) -> tuple[int, ...]:
    """Folds that every configuration was trained on: only these compare like with like."""
    folds = set.intersection(*({fold for name, fold in reports if name == wanted} for wanted in names))
    if not folds:
        trained = ", ".join(f"{name} fold {fold}" for name, fold in sorted(reports))
        raise WorkspaceError(f"No fold was trained for all of {', '.join(names)} (there are: {trained}). Train one.")
    return tuple(sorted(folds))


def _pool(reports: Mapping[int, Report], dataset: Dataset) -> Report:
    """Cases of all folds as one report."""
    cases = [case for report in reports.values() for case in report.cases]
    fold_of = {case.case_id: fold for fold, report in reports.items() for case in report.cases}
    return make_report(cases, dataset.labels, options=next(iter(reports.values())).options, fold_of=fold_of)


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
    reports = {}
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
        reports[fold] = predict_and_score(project, ensemble, case_ids, folder)
    report = _pool(reports, project.dataset)
    write_csv(stored.with_suffix(".csv"), report)
    write_markdown(stored.with_suffix(".md"), report)
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
