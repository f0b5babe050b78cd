"""A comparison of small networks on the phantom, run in this process, which starts faster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from autoseg.pipeline.benchmarking.grounds import CommonGround, find_common_ground
from autoseg.pipeline.benchmarking.terms import Terms, TrainingBudget
from autoseg.pipeline.parallel import Call
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.reporting import Reporter
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import write_plan
from autoseg.planning.wishes import Wishes
from tests.conftest import open_small
from tests.pipeline.conftest import Listener, edit, plan_cascade


def run_here(calls: Sequence[Call], *, reporter: Reporter, **_: Any) -> list[Any]:
    """One after the other."""
    return [call.function(reporter, 0) for call in calls]


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither runs nor batches have processes of their own, and nobody watches a training's curve."""
    n_threads = torch.get_num_threads()
    monkeypatch.setattr("autoseg.pipeline.benchmarking.executing.run_in_parallel", run_here)
    monkeypatch.setattr("autoseg.pipeline.watching.draw_progress", lambda *_, **__: None)
    monkeypatch.setattr("autoseg.pipeline.benchmarking.entering.count_workers", lambda wanted: 0)
    monkeypatch.setattr("autoseg.pipeline.benchmarking.entering.count_cores", lambda: n_threads)


def plan_coarsely(plan: Plan) -> Plan:
    """A plan of small networks on a grid of so few voxels that eight windows cover a case."""
    plan = plan_cascade(plan)
    coarse = {
        name: edit(one, spacing_mm=tuple(n * mm for n, mm in zip((2, 3, 3), one.spacing_mm.value, strict=True)))
        for name, one in plan.configurations.items()
    }
    return plan.model_copy(update={"configurations": coarse})


@pytest.fixture(scope="session")
def planned(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a plan of small networks and two folds."""
    project = open_small(phantom, tmp_path_factory.mktemp("planned") / "workspace")
    write_plan(project.workspace.plan, plan_coarsely(ensure_plan(project, Wishes(train_time_s=60))))
    find_common_ground(project, Terms(TrainingBudget("iterations", 2)))
    return project.workspace.root


@pytest.fixture
def small(planned: Path, phantom: Path, tmp_path: Path) -> Project:
    """A workspace of its own, where nothing was run yet."""
    import shutil

    shutil.copytree(planned, tmp_path / "workspace")
    return open_project(phantom, workspace=tmp_path / "workspace", reporter=Listener())


@pytest.fixture
def ground(small: Project) -> CommonGround:
    """What methods stand on with a budget of two iterations, two folds and two seeds."""
    return find_common_ground(small, Terms(TrainingBudget("iterations", 2), folds=("0", "1"), seeds=(0, 1)))
