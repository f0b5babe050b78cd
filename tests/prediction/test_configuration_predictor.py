"""A predictor's refusal to mix networks that do not belong together."""

from __future__ import annotations

import pytest
import torch

from autoseg.errors import WorkspaceError
from autoseg.pipeline.project import Project
from autoseg.prediction.configuration_predictor import load_predictor

CPU = torch.device("cpu")


def test_folds_of_one_plan_are_loaded_together(trained: Project) -> None:
    paths = [trained.workspace.run("3d_fullres", fold).checkpoint for fold in (0, 1)]
    assert len(load_predictor(paths, device=CPU).networks) == 2


def test_networks_of_different_configurations_are_refused(trained: Project) -> None:
    paths = [trained.workspace.run(name, 0).checkpoint for name in ("2d", "3d_fullres")]
    with pytest.raises(WorkspaceError, match="was trained under another plan"):
        load_predictor(paths, device=CPU)
