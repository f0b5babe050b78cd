"""Folds side by side end with what folds one after the other end with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from autoseg.machine import count_cores
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline import side_by_side
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.side_by_side import count_fitting, list_devices
from autoseg.pipeline.training import TrainingWishes, train_folds
from tests.pipeline.conftest import Listener


def test_jobs_are_as_many_as_memory_holds() -> None:
    assert count_fitting(4, memory_gb=2.0, free_gb=[9.0]) == 4
    assert count_fitting(4, memory_gb=3.5, free_gb=[9.0]) == 2
    assert count_fitting(5, memory_gb=6.0, free_gb=[23.0, 13.0]) == 4  # two on each, as they are dealt out in turn
    assert count_fitting(4, memory_gb=10.0, free_gb=[9.0]) == 1


def test_every_gpu_takes_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert list_devices("auto") == list_devices("cuda") == ("cuda:0", "cuda:1", "cuda:2")
    assert list_devices("cuda:1") == ("cuda:1",)
    assert list_devices("cpu") == ("cpu",)


def test_too_many_jobs_are_told(copied: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With memory for one, folds come one after the other, in this process."""
    monkeypatch.setattr(side_by_side, "measure_free_memory_bytes", lambda: 1000)
    monkeypatch.setattr(side_by_side, "run_in_parallel", lambda *a, **k: pytest.fail("ran in parallel"))
    wishes = TrainingWishes(configurations=("3d_lowres",), folds=("0", "1"), n_iterations=2, n_jobs=2, n_workers=0)
    assert set(train_folds(copied, wishes)) == {("3d_lowres", 0), ("3d_lowres", 1)}
    (warning,) = (one for one in copied.reporter.warned if "--jobs" in one)  # type: ignore[attr-defined]
    assert "0.00 GB are free. Training 1 at a time" in warning


def open_untrained(cascaded: Project, phantom: Path, workspace: Path) -> Project:
    """The plan and the preprocessed cases, and no trained fold."""
    shutil.copytree(cascaded.workspace.root, workspace, ignore=shutil.ignore_patterns("trained", "previous"))
    return open_project(phantom, workspace=workspace, reporter=Listener())


@pytest.fixture
def threads_of_a_job() -> Iterator[None]:
    """As many threads here as each of two jobs has: sums are rounded by their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, count_cores() // 2))
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads_of_a_job")
def test_two_folds_at_once_have_the_weights_of_two_in_turn(cascaded: Project, phantom: Path, tmp_path: Path) -> None:
    """And a cascade of all cases waits for both of them."""
    in_turn = open_untrained(cascaded, phantom, tmp_path / "in_turn")
    train_folds(in_turn, TrainingWishes(configurations=("3d_lowres",), folds=("0", "1"), n_iterations=3, n_workers=0))
    project = open_untrained(cascaded, phantom, tmp_path / "workspace")
    wishes = TrainingWishes(configurations=("3d_cascade",), folds=("all",), n_iterations=3, n_workers=0, n_jobs=2)
    assert train_folds(project, wishes) == {}
    for name, fold in (("3d_lowres", 0), ("3d_lowres", 1)):
        one, other = (read_checkpoint(each.workspace.run(name, fold).checkpoint).weights for each in (project, in_turn))
        assert all(torch.allclose(one[key], other[key], atol=1e-5) for key in other), (name, fold)
    facts = read_checkpoint(project.workspace.run("3d_cascade", "all").checkpoint).facts
    assert sorted(facts["train_ids"]) == sorted(project.dataset.case_ids)
    assert not project.workspace.run("3d_cascade", "all").report.exists()
    said = " ".join(project.reporter.said)  # type: ignore[attr-defined]
    assert "Training 2 folds, 2 at a time, each with" in said
    assert "3d_lowres fold 1: Trained 3d_lowres, fold 1" in said
