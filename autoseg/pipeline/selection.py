"""What did cross-validation decide? `selection.yaml`, and the reports of the folds that it rests on.

Reading them loads no torch: what predicts with a selection does not need what made it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoseg.decision import Decision, found
from autoseg.errors import WorkspaceError
from autoseg.evaluation.calibrating import Calibration
from autoseg.evaluation.report import CaseScores, Report
from autoseg.evaluation.selecting import name_candidate
from autoseg.planning.plan import Plan
from autoseg.postprocessing.deciding import Postprocessing
from autoseg.serialization import Record, parse_record, read_json, read_yaml
from autoseg.workspace import Workspace

HEADER = """What cross-validation decided: which configurations predict together, and what is done to their result.
Shorten a block to its bare value to set it by hand, e.g. `configurations: [3d_fullres]`."""
NOT_CALIBRATED: Decision[Calibration | None] = found(
    None,
    "no Dice is predicted: this selection was made by a version that did not calibrate. Run `autoseg select` again",
)
NOTHING_TO_CALIBRATE: Decision[Calibration | None] = found(
    None, "no Dice is predicted: no cross-validation came with this model, and without one nothing tells what to expect"
)

FoldReports = Mapping[tuple[str, int], Report]


class Selection(Record):
    """The empirical decisions.

    Attributes:
        autoseg_selection: version of this format.
        basis: digest of the validation reports that the decisions rest on.
        folds: folds that every candidate was trained on.
        configurations: the configurations whose probabilities are averaged.
        postprocessing: what is done to the segmentation.
        confidence: from a prediction's certainty to its Dice; None where the cases are too few to tell.
        validation_dice: mean foreground Dice of every candidate.
    """

    autoseg_selection: int = 1
    basis: str
    folds: tuple[int, ...]
    configurations: Decision[tuple[str, ...]]
    postprocessing: Decision[Postprocessing]
    confidence: Decision[Calibration | None] = NOT_CALIBRATED
    validation_dice: dict[str, float]

    def find_calibration(self, configurations: Sequence[str]) -> Calibration | None:
        """The calibration, if it was made for just these configurations together."""
        calibration = self.confidence.value
        if calibration is None or set(calibration.configurations) != set(configurations):
            return None
        return calibration


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


def read_scores(workspace: Workspace, plan: Plan, configurations: Sequence[str]) -> tuple[CaseScores, ...]:
    """Scores of the cross-validation of these configurations together; none where nobody scored them."""
    names = tuple(name for name in plan.configurations if name in configurations)
    if len(names) == 1:
        reports = read_fold_reports(workspace, plan)
        return tuple(case for (name, _), report in reports.items() if name in names for case in report.cases)
    stored = workspace.crossvalidation(name_candidate(names)) / "report.json"
    if not stored.is_file():
        return ()
    return parse_record(Report, read_json(stored)["report"], where=str(stored), error=WorkspaceError).cases
