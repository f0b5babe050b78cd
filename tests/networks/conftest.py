"""A plan to build networks from, without a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project, open_project
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.wishes import Wishes
from autoseg.serialization import write_json


@pytest.fixture(scope="session")
def planned(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The phantom with its plan, on a machine of a stated speed."""
    workspace = tmp_path_factory.mktemp("planned") / "workspace"
    write_json(workspace / "device.json", DeviceFacts(device="cpu", memory_gb=8.0, n_threads=2, gflops=60.0))
    project = open_project(phantom, workspace=workspace)
    ensure_plan(project, Wishes(train_time_s=60))
    return project
