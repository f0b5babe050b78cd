"""A comparison leaves the project's own folds and plan as training would."""

from __future__ import annotations

import shutil

from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.benchmarking.comparing import compare_methods
from autoseg.pipeline.benchmarking.grounds import find_common_ground
from autoseg.pipeline.benchmarking.terms import Terms, TrainingBudget
from autoseg.pipeline.project import Project
from autoseg.serialization import read_text


def test_a_comparison_of_the_cascade_rests_on_the_same_low_resolution_folds(copied: Project) -> None:
    benchmark = compare_methods(copied, ["residual_unet"], configuration="3d_cascade", n_iterations=2)
    assert benchmark.methods[0].pooled is not None
    assert benchmark.methods[0].pooled.n_cases == 3
    assert {path.name for path in copied.workspace.trained("3d_lowres").iterdir()} == {"fold_0", "fold_1"}


def test_a_missing_low_resolution_fold_is_trained_as_the_project_would(copied: Project) -> None:
    """With the plan's own length and seed, whatever those of the comparison are."""
    shutil.rmtree(copied.workspace.trained("3d_lowres"))
    compare_methods(copied, ["residual_unet"], configuration="3d_cascade", n_iterations=3, seeds=(7,))
    for fold in (0, 1):
        facts = read_checkpoint(copied.workspace.run("3d_lowres", fold).checkpoint).facts
        assert (facts["iterations"], facts["length"]["n_iterations"], facts["seed"]) == (2, 2, fold)
    (made,) = copied.workspace.benchmark.glob("residual_unet-*/seed_7/fold_0/checkpoint.safetensors")
    facts = read_checkpoint(made).facts
    assert (facts["length"]["n_iterations"], facts["seed"]) == (3, 7)


def test_a_plan_that_is_there_is_kept_whatever_the_budget(small: Project) -> None:
    before = read_text(small.workspace.plan)
    find_common_ground(small, Terms(TrainingBudget("time", 5.0)))
    assert read_text(small.workspace.plan) == before
