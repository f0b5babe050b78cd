"""A comparison leaves the project's own folds and plan as training would."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.benchmarking.comparing import compare_methods
from autoseg.pipeline.benchmarking.grounds import find_common_ground
from autoseg.pipeline.benchmarking.running import seed_run
from autoseg.pipeline.benchmarking.terms import Terms, TrainingBudget
from autoseg.pipeline.project import Project
from autoseg.planning.plan_file import read_plan
from autoseg.serialization import digest_file, read_text
from tests.conftest import open_small
from tests.pipeline.conftest import Listener


def test_a_comparison_of_the_cascade_rests_on_low_resolution_folds_and_trains_the_missing_one(copied: Project) -> None:
    """With the plan's own length and seed, whatever those of the comparison are; the one that is there stays."""
    low = {fold: copied.workspace.run("3d_lowres", fold) for fold in (0, 1)}
    before = digest_file(low[0].checkpoint)
    shutil.rmtree(low[1].root)
    benchmark = compare_methods(copied, ["residual_unet"], configuration="3d_cascade", n_iterations=3, seeds=(7,))
    assert benchmark.methods[0].pooled is not None
    assert benchmark.methods[0].pooled.n_cases == 3
    assert digest_file(low[0].checkpoint) == before
    facts = read_checkpoint(low[1].checkpoint).facts
    assert (facts["iterations"], facts["length"]["n_iterations"], facts["seed"]) == (2, 2, 1)
    (made,) = copied.workspace.benchmark.glob("residual_unet-*/seed_7/fold_0/checkpoint.safetensors")
    facts = read_checkpoint(made).facts
    assert (facts["length"]["n_iterations"], facts["seed"]) == (3, seed_run(7, 0))


def test_a_plan_that_is_there_is_kept_whatever_the_budget(small: Project) -> None:
    before = read_text(small.workspace.plan)
    find_common_ground(small, Terms(TrainingBudget("time", 5.0)))
    assert read_text(small.workspace.plan) == before


def test_a_plan_that_is_made_for_the_budget_says_that_it_stays(phantom: Path, tmp_path: Path) -> None:
    listener = Listener()
    project = replace(open_small(phantom, tmp_path / "workspace"), reporter=listener)
    find_common_ground(project, Terms(TrainingBudget("time", 60.0)))
    (warning,) = [sentence for sentence in listener.warned if sentence.startswith("There was no plan: ")]
    assert "suits trainings of 60 s and stays the project's" in warning
    assert f"`autoseg plan {phantom} --train-time ...`" in warning
    assert read_plan(project.workspace.plan).wishes.train_time_s == 60.0
    find_common_ground(project, Terms(TrainingBudget("time", 5.0)))
    assert len([sentence for sentence in listener.warned if "There was no plan" in sentence]) == 1
