"""A predictor's promise of memory, and its refusal to mix networks that do not belong together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from autoseg.data.geometry import Geometry
from autoseg.errors import WorkspaceError
from autoseg.pipeline.project import Project
from autoseg.prediction.predictor import load_predictor
from autoseg.prediction.restoring import SLAB_BYTES

CPU = torch.device("cpu")


def test_folds_of_one_plan_are_loaded_together(trained: Project) -> None:
    paths = [trained.workspace.run("3d_fullres", fold).checkpoint for fold in (0, 1)]
    assert len(load_predictor(paths, device=CPU).networks) == 2


def test_networks_of_different_configurations_are_refused(trained: Project) -> None:
    paths = [trained.workspace.run(name, 0).checkpoint for name in ("2d", "3d_fullres")]
    with pytest.raises(WorkspaceError, match="was trained under another plan"):
        load_predictor(paths, device=CPU)


def test_memory_grows_with_the_image_beyond_a_constant(trained: Project) -> None:
    predictor = load_predictor([trained.workspace.run("3d_fullres", 0).checkpoint], device=CPU)
    small = Geometry(shape=(20, 60, 70), spacing=(3.0, 1.2, 1.0))
    large = replace(small, shape=(40, 60, 70))
    grown = predictor.estimate_bytes(large) - SLAB_BYTES
    assert grown == pytest.approx(2 * (predictor.estimate_bytes(small) - SLAB_BYTES), rel=0.05)
