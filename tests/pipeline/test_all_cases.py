"""A model of all cases: trained without validation, used when asked for, and never part of the cross-validation."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autoseg.errors import UsageError, WorkspaceError
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.benchmarking import compare_methods
from autoseg.pipeline.model import load_model
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.selecting import ensure_selection
from autoseg.pipeline.selection import read_fold_reports
from autoseg.pipeline.training import TrainingWishes, train_folds
from tests.pipeline.conftest import Listener


@pytest.fixture(scope="module")
def project(trained: Project, phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The folds that there were, and a model of all cases beside them."""
    workspace = tmp_path_factory.mktemp("all") / "workspace"
    shutil.copytree(trained.workspace.root, workspace)
    project = open_project(phantom, workspace=workspace, reporter=Listener())
    wishes = TrainingWishes(configurations=("2d",), folds=("all",), n_iterations=3, n_workers=0)
    assert train_folds(project, wishes) == {}
    return project


@pytest.fixture
def alone(project: Project, phantom: Path, tmp_path: Path) -> Project:
    """The same without any fold."""
    shutil.copytree(project.workspace.root, tmp_path / "workspace")
    (tmp_path / "workspace" / "selection.yaml").unlink()
    shutil.rmtree(tmp_path / "workspace" / "trained" / "3d_fullres")
    for fold in (0, 1):
        shutil.rmtree(tmp_path / "workspace" / "trained" / "2d" / f"fold_{fold}")
    return open_project(phantom, workspace=tmp_path / "workspace", reporter=Listener())


def test_it_is_trained_on_every_case_and_scored_on_none(project: Project) -> None:
    run = project.workspace.run("2d", "all")
    checkpoint = read_checkpoint(run.checkpoint)
    assert sorted(checkpoint.facts["train_ids"]) == sorted(project.dataset.case_ids)
    assert checkpoint.fold == "all"
    assert not run.report.exists()


def test_it_is_no_part_of_the_selection(project: Project, trained: Project) -> None:
    assert {fold for _, fold in read_fold_reports(project.workspace, ensure_plan(project))} == {0, 1}
    assert ensure_selection(project) == ensure_selection(trained)


def test_the_cross_validation_predicts_unless_it_is_asked_for(project: Project) -> None:
    root, listener = project.workspace.root, Listener()
    folds = load_model(root, configurations=["2d"], reporter=listener)
    whole = load_model(root, configurations=["2d"], folds=["all"], reporter=listener)
    assert [len(model.predictors[0].networks) for model in (folds, whole)] == [2, 1]
    assert folds.digest != whole.digest
    assert listener.said == []


def test_alone_it_predicts_and_says_what_was_not_decided(alone: Project, phantom: Path) -> None:
    for source, workspace in ((alone.workspace.root, None), (phantom, alone.workspace.root)):
        listener = Listener()
        model = load_model(source, workspace=workspace, folds=["all"], reporter=listener)
        assert [predictor.configuration for predictor in model.predictors] == ["2d"]
        assert "selection.yaml: is not there, so 2d predicts and nothing is done" in " ".join(listener.said)


def test_alone_it_has_to_be_asked_for(alone: Project, project: Project) -> None:
    with pytest.raises(WorkspaceError, match=r"first; a model of all cases \(--fold all\) is not scored"):
        ensure_selection(alone)
    with pytest.raises(WorkspaceError, match="or choose the model of all cases by --fold all"):
        load_model(alone.workspace.root, configurations=["2d"])
    shutil.rmtree(alone.workspace.trained("2d"))
    with pytest.raises(WorkspaceError, match=r"no model was trained on all cases. Run `autoseg train .* --fold all`"):
        load_model(alone.workspace.root, folds=["all"])


def test_methods_cannot_be_compared_without_a_validation(project: Project) -> None:
    with pytest.raises(UsageError, match="--fold all: validates no case"):
        compare_methods(project, ["unet"], folds=("all",), n_iterations=9)
