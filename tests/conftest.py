"""What several rooms test with: real data beside the repository, and a small dataset that was taken the whole way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: tests must not crawl on a busy machine

from autoseg.data.phantom import write_phantom_dataset
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.selecting import ensure_selection
from autoseg.pipeline.training import TrainingWishes, train_folds
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.wishes import Wishes
from autoseg.serialization import write_json

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real datasets; a test that needs it is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six annotated cases and one without a reference in its folder."""
    folder = tmp_path_factory.mktemp("datasets") / "Phantom"
    write_phantom_dataset(folder, n_cases=7, n_test=1, seed=3)
    return folder


def open_small(phantom: Path, workspace: Path) -> Project:
    """Open the phantom on a machine of a stated speed, so that every machine makes the same plan."""
    write_json(workspace / "device.json", DeviceFacts(device="cpu", memory_gb=8.0, n_threads=2, gflops=60.0))
    return open_project(phantom, workspace=workspace)


@pytest.fixture(scope="session")
def trained(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two configurations, two folds, a few iterations each, and a selection."""
    project = open_small(phantom, tmp_path_factory.mktemp("trained") / "workspace")
    ensure_plan(project, Wishes(train_time_s=60))
    wishes = TrainingWishes(configurations=("2d", "3d_fullres"), folds=("0", "1"), n_iterations=3, n_workers=0)
    train_folds(project, wishes)
    ensure_selection(project)
    return project
