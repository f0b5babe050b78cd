"""Two processes that train together do what one does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.project import Project
from autoseg.training.history import read_history
from autoseg.workspace import Workspace

NO_GRADIENT = ".0.bias"  # of convolutions before a normalisation: only rounding moves them, which AdamW makes large
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def run_training(project: Project, workspace: Path, words: list[str], *, launcher: tuple[str, ...] = ()) -> Workspace:
    """Train in processes of their own; a small plan and its preprocessed cases are there, but no trained fold."""
    shutil.copytree(project.workspace.root, workspace, ignore=shutil.ignore_patterns("trained", "previous"))
    command = [sys.executable, *launcher, "-m", "autoseg", "train", str(project.dataset.folder), *words]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    command += ["--workspace", str(workspace), "--workers", "0"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=surroundings)
    assert result.returncode == 0, result.stderr
    return Workspace(workspace)


def test_two_processes_give_the_loss_curve_and_the_weights_of_one(cascaded: Project, tmp_path: Path) -> None:
    words = ["--configuration", "3d_fullres", "--fold", "0", "--iterations", "6"]
    alone = run_training(cascaded, tmp_path / "one", words).run("3d_fullres", 0)
    both = run_training(cascaded, tmp_path / "two", words, launcher=TORCHRUN).run("3d_fullres", 0)
    expected, came = (read_history(run.history) for run in (alone, both))
    assert [epoch.loss for epoch in came] == pytest.approx([epoch.loss for epoch in expected], rel=1e-4)
    assert [epoch.terms for epoch in came] == [pytest.approx(epoch.terms, rel=1e-3) for epoch in expected]
    weights = load_file(both.checkpoint)
    learned = {name: tensor for name, tensor in load_file(alone.checkpoint).items() if not name.endswith(NO_GRADIENT)}
    for name, tensor in learned.items():
        assert weights[name].allclose(tensor, atol=1e-3), name
    assert [read_checkpoint(run.checkpoint).facts["processes"] for run in (alone, both)] == [1, 2]
    assert both.report.is_file()


def test_two_processes_train_a_cascade_from_nothing_within_a_time(cascaded: Project, tmp_path: Path) -> None:
    words = ["--configuration", "3d_cascade", "--fold", "0", "--train-time", "4s"]
    workspace = run_training(cascaded, tmp_path / "workspace", words, launcher=TORCHRUN)
    for name, fold in (("3d_lowres", 0), ("3d_lowres", 1), ("3d_cascade", 0)):
        run = workspace.run(name, fold)
        assert run.report.is_file()
        assert read_history(run.history)[-1].share == 1.0
