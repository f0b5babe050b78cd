"""Runs are found by the number of their fold, and what was moved aside is none."""

from __future__ import annotations

from pathlib import Path

from autoseg.pipeline.planning import has_runs
from autoseg.workspace import Workspace


def test_runs_are_found_in_the_order_of_their_folds_without_those_moved_aside(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for name in ("fold_10", "fold_2", "fold_2.old1", "fold_all"):
        (workspace.trained("2d") / name).mkdir(parents=True)
    assert list(workspace.find_runs("2d")) == [2, 10, "all"]
    assert list(workspace.find_folds("2d")) == [2, 10]
    assert workspace.find_runs("2d")[10] == workspace.run("2d", 10)
    assert workspace.find_runs("3d_fullres") == {}


def test_only_a_fold_that_was_begun_binds_the_plan(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "laptop")
    assert not has_runs(workspace)
    old = workspace.trained("2d") / "fold_0.old1" / "checkpoint.safetensors"
    old.parent.mkdir(parents=True)
    old.touch()
    assert not has_runs(workspace)
    workspace.run("2d", 1).root.mkdir()
    workspace.run("2d", 1).resume.touch()
    assert has_runs(workspace)


def test_variants_share_the_workspace_of_the_first_plan(tmp_path: Path) -> None:
    (tmp_path / "variants" / "laptop").mkdir(parents=True)
    assert Workspace(tmp_path, "laptop").variants == (Workspace(tmp_path), Workspace(tmp_path, "laptop"))
    assert Workspace(tmp_path, "laptop").splits == Workspace(tmp_path).splits
