"""What the selection says of confidence, and when it is made anew."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from autoseg.decision import found
from autoseg.evaluation.calibrating import Calibration, LabelCalibration
from autoseg.evaluation.report import CaseScores, Report
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.selecting import ensure_selection
from autoseg.pipeline.selection import NOT_CALIBRATED, Selection, read_selection
from autoseg.serialization import parse_record, read_json, read_yaml, write_json, write_yaml

LABEL = LabelCalibration(offset=0.8, weights={}, low=-0.1, high=0.1, least_expected_dice=0.5, n_cases=9)


@pytest.fixture
def project(trained: Project, phantom: Path, tmp_path: Path) -> Project:
    """The trained workspace, to be spoilt."""
    shutil.copytree(trained.workspace.root, tmp_path / "workspace")
    return open_project(phantom, workspace=tmp_path / "workspace")


def edit_selection(project: Project, **changes: object) -> None:
    content = read_yaml(project.workspace.selection) | changes
    write_yaml(project.workspace.selection, {key: value for key, value in content.items() if value != "removed"})


def test_validated_cases_say_how_certain_their_prediction_is(trained: Project) -> None:
    path = trained.workspace.run("3d_fullres", 0).report
    report = parse_record(Report, read_json(path), where=str(path))
    names = [name for name, _ in trained.dataset.labels.targets]
    for case in report.cases:
        assert [each.label for each in case.confidence] == names
        for each in case.confidence:
            assert each.volume_ml == pytest.approx(case.labels[each.label].predicted_ml)
            assert (each.boundary_entropy is None) == (each.n_voxels == 0)
            assert each.expected_dice is None or 0 <= each.expected_dice <= 1


def test_few_cases_are_no_calibration_and_the_selection_says_so(trained: Project) -> None:
    selection = read_selection(trained.workspace)
    assert selection is not None
    assert selection.confidence.value is None
    assert "no label is found and annotated in 9" in selection.confidence.reason


def test_a_selection_of_an_earlier_version_is_read_and_made_anew(project: Project) -> None:
    before = read_selection(project.workspace)
    edit_selection(project, confidence="removed")
    old = read_selection(project.workspace)
    assert old is not None
    assert old.confidence == NOT_CALIBRATED
    assert ensure_selection(project) == before == read_selection(project.workspace)


def test_reports_of_an_earlier_version_are_no_reason_to_select_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [project.workspace.runs, project.workspace.home / "crossvalidation"]
    for path in (path for place in places for path in place.glob("**/report.json")):
        content = read_json(path)
        for case in content.get("report", content)["cases"]:
            case.pop("confidence", None)
        write_json(path, content)
    assert "Remove the report.json" in ensure_selection(project).confidence.reason
    edit_selection(project, confidence="removed")
    monkeypatch.setattr("autoseg.pipeline.selecting.select_best", lambda *_, **__: pytest.fail("selected again"))
    assert ensure_selection(project).confidence == NOT_CALIBRATED


def test_no_predicted_dice_set_by_hand_stays(project: Project) -> None:
    edit_selection(project, confidence=None, basis="of other folds")
    assert ensure_selection(project).confidence.is_set_by_hand
    assert ensure_selection(project).confidence.value is None


def test_configurations_set_by_hand_are_the_calibrated_ones(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def calibrate_one(
        cases: Sequence[CaseScores], fold_of: Mapping[str, int], names: Sequence[str], options: Mapping[str, object]
    ) -> object:
        assert options == {"step": 0.5, "mirroring": "all"}, "what validates cases"
        assert sorted(fold_of) == sorted(case.case_id for case in cases)
        return found(Calibration(configurations=tuple(names), labels={"a": LABEL}), "for a test")

    monkeypatch.setattr("autoseg.pipeline.selecting.calibrate", calibrate_one)
    for names in (["3d_fullres"], ["2d"]):  # a person edits twice, nothing is trained between
        edit_selection(project, configurations=names, confidence="removed")
        assert ensure_selection(project).find_calibration(names) is not None
    edit_selection(project, configurations=["3d_fullres"])
    assert ensure_selection(project).find_calibration(["3d_fullres"]) is not None
    edit_selection(project, configurations=["2d", "3d_fullres", "other"])
    assert "none of the candidates" in ensure_selection(project).confidence.reason


def test_a_calibration_holds_for_its_configurations_alone(trained: Project) -> None:
    known = read_selection(trained.workspace)
    assert known is not None
    calibration = Calibration(configurations=("2d", "3d_fullres"), labels={"a": LABEL})
    decision = NOT_CALIBRATED.model_copy(update={"value": calibration})
    selection: Selection = known.model_copy(update={"confidence": decision})
    assert selection.find_calibration(["3d_fullres", "2d"]) == calibration
    assert selection.find_calibration(["2d"]) is None
