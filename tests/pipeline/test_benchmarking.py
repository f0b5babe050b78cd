"""A benchmark changes the network and nothing else, and leaves the project's own folds as training would."""

from __future__ import annotations

import shutil

import pytest

from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.benchmarking import compare_methods
from autoseg.pipeline.project import Project


@pytest.fixture(autouse=True)
def without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are made in this process, which starts faster."""
    monkeypatch.setattr("autoseg.pipeline.benchmarking.count_workers", lambda wanted: 0)


def test_a_benchmark_compares_methods_under_one_plan(trained: Project) -> None:
    benchmark = compare_methods(trained, ["unet", "residual_unet"], folds=("0",), train_time_s=1.0)
    assert {method.method for method in benchmark.methods} == {"unet", "residual_unet"}
    assert benchmark.methods[0].n_parameters != benchmark.methods[1].n_parameters
    assert "2 cases" in benchmark.sentences[0]
    columns, rows = benchmark.table()
    assert [len(row) for row in rows] == [len(columns)] * 2


def test_a_benchmark_of_the_cascade_rests_on_the_same_low_resolution_folds(copied: Project) -> None:
    benchmark = compare_methods(copied, ["residual_unet"], configuration="3d_cascade", train_time_s=1.0)
    assert benchmark.methods[0].report.n_cases == 3
    names = {path.name for path in copied.workspace.trained("3d_lowres").iterdir()}
    assert names == {"fold_0", "fold_1"}


def test_a_missing_low_resolution_fold_is_trained_as_the_project_would(copied: Project) -> None:
    """With the plan's own length and seed, whatever those of the benchmark are."""
    shutil.rmtree(copied.workspace.trained("3d_lowres"))
    compare_methods(copied, ["residual_unet"], configuration="3d_cascade", train_time_s=1.0, seed=7)
    for fold in (0, 1):
        facts = read_checkpoint(copied.workspace.run("3d_lowres", fold).checkpoint).facts
        assert (facts["iterations"], facts["length"]["n_iterations"], facts["seed"]) == (2, 2, fold)
    (made,) = copied.workspace.benchmark.glob("residual_unet-*/fold_0/checkpoint.safetensors")
    facts = read_checkpoint(made).facts
    assert (facts["length"]["train_time_s"], facts["seed"]) == (1.0, 7)
