"""A cascade of small networks, trained once for all tests of the pipeline."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from autoseg.decision import fixed
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.training import TrainingWishes, train_folds
from autoseg.planning.choices import Blocks, Corruption, Length, Topology, Transform
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.plan import Cascade, Configuration, Plan
from autoseg.planning.plan_file import write_plan
from autoseg.planning.wishes import Wishes
from autoseg.serialization import write_json

SHORT = Length(n_iterations=2, iterations_per_epoch=2)
CORRUPTION = Corruption(
    borders=Transform(probability=0.5, range=(1, 2)), components=Transform(probability=0.5, range=(0.0, 0.15))
)


class Listener(Reporter):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def warn(self, sentence: str) -> None:
        self.warned.append(sentence)


@pytest.fixture
def listener() -> Listener:
    """Who remembers what was said."""
    return Listener()


def edit(configuration: Configuration, **values: Any) -> Configuration:
    """The configuration with other values in its decisions."""
    return configuration.model_copy(update={name: fixed(value, "for a test") for name, value in values.items()})


def plan_cascade(plan: Plan) -> Plan:
    """A plan of small networks: half the resolution first, and a cascade on top of it."""
    small = edit(
        plan.find_configuration("3d_fullres"),
        patch_size=(8, 16, 16),
        batch_size=2,
        topology=Topology(strides=((1, 1, 1), (2, 2, 2)), kernel_sizes=((1, 3, 3), (3, 3, 3))),
        features=(4, 8),
        blocks=Blocks(encoder=(1, 1), decoder=(1,)),
    )
    coarse = tuple(factor * spacing for factor, spacing in zip((1, 2, 2), small.spacing_mm.value, strict=True))
    cascade = Cascade(previous=fixed("3d_lowres", "for a test"), corruption=fixed(CORRUPTION, "for a test"))
    configurations = {
        "3d_fullres": small,
        "3d_lowres": edit(small, spacing_mm=coarse, precision="bfloat16", length=SHORT),
        "3d_cascade": small.model_copy(update={"cascade": cascade}),
    }
    changes = {"configurations": configurations, "n_folds": fixed(2, "for a test"), "left_out": {}}
    return plan.model_copy(update=changes)


@pytest.fixture(scope="session")
def cascaded(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Fold 0 of the cascade, trained with one command."""
    workspace = tmp_path_factory.mktemp("cascade") / "workspace"
    write_json(workspace / "device.json", DeviceFacts(device="cpu", memory_gb=8.0, n_threads=2, gflops=60.0))
    project = open_project(phantom, workspace=workspace, reporter=Listener())
    write_plan(project.workspace.plan, plan_cascade(ensure_plan(project, Wishes(train_time_s=60))))
    train_folds(project, TrainingWishes(configurations=("3d_cascade",), folds=("0",), n_iterations=3, n_workers=0))
    return project


@pytest.fixture
def copied(cascaded: Project, phantom: Path, tmp_path: Path) -> Project:
    """The same workspace, to be spoilt."""
    shutil.copytree(cascaded.workspace.root, tmp_path / "workspace")
    return open_project(phantom, workspace=tmp_path / "workspace", reporter=Listener())
