"""Splits follow the dataset and the plan, until folds rest on them or a person made them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autoseg.data.splits import Split
from autoseg.errors import UsageError, WorkspaceError
from autoseg.fingerprinting.fingerprint import CaseFacts
from autoseg.pipeline.planning import ensure_fingerprint, ensure_plan
from autoseg.pipeline.preparing import ensure_splits
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.splitting import adopt_splits, describe_folds, list_image_files, settle_splits
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.plan import Plan
from autoseg.serialization import read_json, write_json
from autoseg.workspace import Workspace
from tests.pipeline.conftest import Listener

PATTERN = r"(phantom_00[1-3]|phantom_00)"  # the first three cases stand for themselves, the others together


@pytest.fixture
def project(phantom: Path, tmp_path: Path) -> Project:
    write_json(tmp_path / "device.json", DeviceFacts(device="cpu", memory_gb=8.0, n_threads=2, gflops=60.0))
    return open_project(phantom, workspace=tmp_path, reporter=Listener())


@pytest.fixture
def plan(project: Project) -> Plan:
    return ensure_plan(project)


def fold_in(plan: Plan, n_folds: int) -> Plan:
    return plan.model_copy(update={"n_folds": plan.n_folds.model_copy(update={"value": n_folds})})


def pretend_training(workspace: Workspace, fold: int | str = 0) -> None:
    workspace.run("2d", fold).root.mkdir(parents=True)  # type: ignore[arg-type]
    workspace.run("2d", fold).checkpoint.touch()  # type: ignore[arg-type]


def warnings_of(project: Project) -> list[str]:
    return [one for one in project.reporter.warned if "splits" in one]  # type: ignore[attr-defined]


def write_hand_made(project: Project, *, key: str = "val") -> list[dict[str, list[str]]]:
    ids = list(project.dataset.case_ids)
    content = [{"train": ids[2:], key: ids[:2]}, {"train": ids[:4], key: ids[4:]}]
    write_json(project.workspace.splits, content)
    return content


@pytest.mark.parametrize("n_folds", [2, 3, 6])
def test_splits_follow_the_folds_of_the_plan(project: Project, plan: Plan, n_folds: int) -> None:
    assert len(ensure_splits(project, plan)) == 5
    splits = settle_splits(project, fold_in(plan, n_folds))
    assert sorted(one for split in splits.folds for one in split.validation) == sorted(project.dataset.case_ids)
    assert (len(splits.folds), splits.n_folds, splits.seed) == (n_folds, n_folds, 12345)
    assert settle_splits(project, fold_in(plan, n_folds)) == splits
    assert f"{n_folds} folds of 6 shuffled cases (seed 12345)" in project.workspace.splits.read_text()


def test_trained_folds_bind_the_splits_under_whatever_plan(project: Project, plan: Plan) -> None:
    before = ensure_splits(project, plan)
    pretend_training(Workspace(project.workspace.root, "laptop"))
    with pytest.raises(WorkspaceError, match="was made for 5 folds instead of 3, and folds were trained on it"):
        ensure_splits(project, fold_in(plan, 3))
    assert ensure_splits(project, plan) == before


def test_a_model_of_all_cases_binds_no_splits(project: Project, plan: Plan) -> None:
    ensure_splits(project, plan)
    pretend_training(project.workspace, "all")
    assert len(ensure_splits(project, fold_in(plan, 3))) == 3


def test_splits_that_autoseg_wrote_before_it_noted_how_stay(project: Project, plan: Plan) -> None:
    made = ensure_splits(project, plan)
    write_json(project.workspace.splits, made)
    assert ensure_splits(project, plan) == made
    assert len(ensure_splits(project, fold_in(plan, 3))) == 3


def test_a_pattern_is_remembered_until_it_is_forgotten(project: Project, plan: Plan) -> None:
    splits = settle_splits(project, plan, pattern=PATTERN)
    assert splits.grouping is not None
    assert (splits.grouping.n_groups, len(splits.folds)) == (4, 4)
    again = settle_splits(project, fold_in(plan, 3))
    assert again.grouping == splits.grouping
    assert settle_splits(project, fold_in(plan, 3), pattern="").grouping is None


def test_groups_of_the_dataset_are_found_and_never_divided(phantom: Path, project: Project, tmp_path: Path) -> None:
    shutil.copytree(phantom, tmp_path / "Grouped")
    rows = [f"{case_id},{i // 2}" for i, case_id in enumerate(project.dataset.case_ids)]
    (tmp_path / "Grouped" / "groups.csv").write_text("\n".join(["case_id,group", *rows]))
    grouped = open_project(tmp_path / "Grouped", workspace=tmp_path / "grouped")
    write_json(grouped.workspace.device, read_json(project.workspace.device))
    splits = settle_splits(grouped, ensure_plan(grouped))
    assert splits.reason.startswith("3 folds of 3 groups of 6 cases, none of which is divided")
    ids = grouped.dataset.case_ids
    assert sorted(split.validation for split in splits.folds) == [ids[:2], ids[2:4], ids[4:]]


def test_splits_made_by_hand_are_kept_and_warned_of_once(project: Project, plan: Plan) -> None:
    content = write_hand_made(project)
    for _ in range(2):
        splits = ensure_splits(project, plan)
        assert [list(split.validation) for split in splits] == [one["val"] for one in content]
    never, number = warnings_of(project)
    assert "no fold validates phantom_003, phantom_004" in never
    assert "has 2 folds, the plan 5. The file counts" in number
    with pytest.raises(UsageError, match="was made by hand"):
        settle_splits(project, plan, pattern="(.)")


@pytest.mark.parametrize(
    ("side", "case", "line"),
    [
        ("train", "phantom_001", "fold 0 trains and validates on phantom_001. A case belongs to one side"),
        ("val", "phantom_01", "fold 0 names phantom_01, but the dataset has no such case. Did you mean phantom_001?"),
    ],
)
def test_splits_made_by_hand_that_leak_are_refused(
    project: Project, plan: Plan, side: str, case: str, line: str
) -> None:
    content = write_hand_made(project)
    content[0][side].append(case)
    write_json(project.workspace.splits, content)
    with pytest.raises(WorkspaceError) as problem:
        ensure_splits(project, plan)
    assert line in str(problem.value)


def test_editing_what_autoseg_made_is_making_by_hand(project: Project, plan: Plan) -> None:
    ensure_splits(project, plan)
    content = read_json(project.workspace.splits)
    content["folds"] = content["folds"][:2]
    write_json(project.workspace.splits, content)
    splits = settle_splits(project, plan)
    assert (splits.source, splits.reason, len(splits.folds)) == ("user", "made by hand", 2)


def test_splits_are_taken_over_and_those_before_are_kept(project: Project, plan: Plan, tmp_path: Path) -> None:
    write_hand_made(project)
    ensure_splits(project, plan)
    ids = list(project.dataset.case_ids)
    write_json(tmp_path / "splits_final.json", [{"train": ids[:3], "val": ids[3:]}, {"train": ids[3:], "val": ids[:3]}])
    splits = adopt_splits(project, plan, tmp_path / "splits_final.json")
    assert splits.folds[0] == Split(train=tuple(ids[:3]), validation=tuple(ids[3:]))
    assert splits.reason == "made by hand: splits_final.json"
    assert read_json(tmp_path / "splits.old1.json")["folds"][0]["validation"] == ids[:2]
    assert settle_splits(project, plan) == splits


def test_splits_are_not_taken_over_if_they_leak_or_others_were_trained_on(
    project: Project, plan: Plan, tmp_path: Path
) -> None:
    before = ensure_splits(project, plan)
    ids = list(project.dataset.case_ids)
    write_json(tmp_path / "mine.json", [{"train": ids, "val": ids[3:]}])
    with pytest.raises(WorkspaceError, match=r"mine\.json: fold 0 trains and validates on phantom_004"):
        adopt_splits(project, plan, tmp_path / "mine.json")
    assert ensure_splits(project, plan) == before
    pretend_training(project.workspace)
    write_json(tmp_path / "mine.json", [{"train": ids[:3], "val": ids[3:]}])
    with pytest.raises(WorkspaceError, match=r"folds were trained on it. Use a new --workspace for .*mine.json"):
        adopt_splits(project, plan, tmp_path / "mine.json")


def test_the_same_image_under_two_ids_is_told(project: Project, phantom: Path, tmp_path: Path) -> None:
    shutil.copytree(phantom, tmp_path / "Twins")
    one, other = (tmp_path / "Twins" / "imagesTr" / f"phantom_00{i}_0000.nii.gz" for i in (2, 5))
    label = tmp_path / "Twins" / "labelsTr" / "phantom_00{}.nii.gz"
    shutil.copy(one, other)
    shutil.copy(str(label).format(2), str(label).format(5))
    twins = open_project(tmp_path / "Twins", workspace=tmp_path / "twins", reporter=Listener())
    write_json(twins.workspace.device, read_json(project.workspace.device))
    settle_splits(twins, ensure_plan(twins))
    (warning,) = (one for one in warnings_of(twins) if "same image file" in one)
    assert "phantom_002" in warning
    assert "phantom_005" in warning


def test_a_channel_that_is_blank_in_many_cases_is_no_twin(project: Project) -> None:
    fingerprint = ensure_fingerprint(project)
    facts: CaseFacts = fingerprint.cases[0]
    blank = facts.model_copy(update={"channel_ranges": ((0.0, 0.0),)})
    files = list_image_files(project.dataset, fingerprint.model_copy(update={"cases": (blank, *fingerprint.cases[1:])}))
    assert files[facts.id] == ()
    assert files[fingerprint.cases[1].id] == (next(iter(fingerprint.cases[1].files.values())),)


def test_folds_are_described_by_cases_groups_and_labels(project: Project, plan: Plan) -> None:
    fingerprint = ensure_fingerprint(project)
    facts = describe_folds(settle_splits(project, fold_in(plan, 3)), fingerprint)
    assert [one.cases for one in facts] == [(4, 2)] * 3 == [one.groups for one in facts]
    for number, label in enumerate(fingerprint.labels.names[1:]):
        held = sum(case.label_voxels[number] > 0 for case in fingerprint.cases)
        assert [sum(one.labels[label]) for one in facts] == [held] * 3
