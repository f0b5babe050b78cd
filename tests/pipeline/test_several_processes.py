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
from autoseg.workspace import Run, Workspace

ASKED = ["--configuration", "3d_fullres", "--fold", "0", "--iterations", "6", "--workers", "0"]
TRAIN = ["-m", "autoseg", "train", *ASKED]
NO_GRADIENT = ".0.bias"  # of convolutions before a normalisation: only rounding moves them, which AdamW makes large
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def run_training(project: Project, workspace: Path, *launcher: str) -> Run:
    """Train in processes of their own; a small plan and its preprocessed cases are there."""
    shutil.copytree(project.workspace.root, workspace)
    command = [sys.executable, *launcher, *TRAIN, str(project.dataset.folder), "--workspace", str(workspace)]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=surroundings)
    assert result.returncode == 0, result.stderr
    return Workspace(workspace).run("3d_fullres", 0)


def test_two_processes_give_the_loss_curve_and_the_weights_of_one(cascaded: Project, tmp_path: Path) -> None:
    alone = run_training(cascaded, tmp_path / "one")
    both = run_training(cascaded, tmp_path / "two", *TORCHRUN)
    expected, came = (read_history(run.history) for run in (alone, both))
    assert [epoch.loss for epoch in came] == pytest.approx([epoch.loss for epoch in expected], rel=1e-4)
    assert [epoch.terms for epoch in came] == [pytest.approx(epoch.terms, rel=1e-3) for epoch in expected]
    weights = load_file(both.checkpoint)
    learned = {name: tensor for name, tensor in load_file(alone.checkpoint).items() if not name.endswith(NO_GRADIENT)}
    for name, tensor in learned.items():
        assert weights[name].allclose(tensor, atol=1e-3), name
    assert [read_checkpoint(run.checkpoint).facts["processes"] for run in (alone, both)] == [1, 2]
    assert both.report.is_file()
