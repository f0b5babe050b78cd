"""The order in which folds are trained."""

from __future__ import annotations

from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.cascading import find_folder
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project
from autoseg.pipeline.training import TrainingWishes, train_folds


def test_a_cascade_is_trained_after_what_it_learns_from_in_whatever_order_they_are_named(copied: Project) -> None:
    names, workspace = ("3d_cascade", "3d_lowres"), copied.workspace
    wishes = TrainingWishes(configurations=names, folds=("0",), n_iterations=1, n_workers=0, restart=True, seed=5)
    assert list(train_folds(copied, wishes)) == [("3d_lowres", 0), ("3d_cascade", 0)]
    there = {find_folder(workspace, ensure_plan(copied), "3d_cascade", fold).name for fold in (0, 1)}
    assert set(read_checkpoint(workspace.run("3d_cascade", 0).checkpoint).facts["previous"]) == there
    assert {path.name for path in workspace.trained("3d_cascade").iterdir()} == {"fold_0", "fold_0.old1"}
