"""The whole comparison on small networks: what is run, what is kept, and what becomes of methods that fail."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoseg.data.image_io import read_segmentation, write_segmentation
from autoseg.errors import WorkspaceError
from autoseg.evaluation.benchmark import Benchmark
from autoseg.networks.checkpoint import Checkpoint, read_checkpoint
from autoseg.pipeline.benchmarking.comparing import compare_methods
from autoseg.pipeline.benchmarking.executing import holding_benchmark
from autoseg.pipeline.project import Project
from autoseg.publishing.page import write_page
from autoseg.serialization import parse_record, read_json
from autoseg.training.history import Epoch
from autoseg.training.job import TrainingJob
from autoseg.training.loop import train
from autoseg.training.watching import Watching

OWN = "tests.pipeline.benchmarking.own_networks"
TRAIN = "autoseg.pipeline.benchmarking.running.train"
WRITE_PAGE = "autoseg.pipeline.benchmarking.keeping.write_page"


@pytest.fixture(autouse=True)
def without_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page takes longer to draw than two iterations to train; one test has it drawn."""
    monkeypatch.setattr(WRITE_PAGE, lambda *_, **__: None)


def forbid(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing is to be trained")


def compare(project: Project, *methods: str, **options: Any) -> Benchmark:
    budget = {} if {"n_iterations", "train_time_s", "flops"} & set(options) else {"n_iterations": 2}
    return compare_methods(project, methods, folds=("0", "1"), **budget, **options)


def test_networks_floors_and_predictions_meet_and_the_same_command_trains_nothing(
    small: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WRITE_PAGE, write_page)
    reader = tmp_path / "reader"
    shutil.copytree(small.dataset.folder / "labelsTr", reader)
    methods = ("unet", f"{OWN}:make_pointwise", "threshold")
    benchmark = compare(small, *methods, predictions={"reader": reader}, seeds=(0, 1))
    assert [method.failure for method in benchmark.methods] == [None] * 4
    assert [len(method.runs) for method in benchmark.methods] == [4, 4, 2, 2]
    assert {method.pooled.n_cases for method in benchmark.methods if method.pooled} == {6}
    assert benchmark.scored[0].name == "reader"
    assert len(benchmark.comparisons) == 6
    assert benchmark.ranking is not None
    for name in ("report.json", "report.html", "report.md", "results.csv"):
        assert (small.workspace.benchmark / name).stat().st_size > 0
    stored = small.workspace.benchmark / "report.json"
    assert parse_record(Benchmark, read_json(stored), where="report.json") == benchmark
    monkeypatch.setattr(TRAIN, forbid)
    assert compare(small, *methods, predictions={"reader": reader}, seeds=(0, 1)) == benchmark


def test_costs_and_curves_stand_beside_the_scores(small: Project) -> None:
    unet = compare(small, "unet", n_iterations=20).methods[0]
    assert unet.costs is not None
    assert unet.costs.flops_per_case > unet.costs.flops_per_patch > unet.costs.n_parameters > 0
    for measured in (unet.costs.s_per_iteration, unet.costs.s_per_case, unet.costs.prediction_memory_gb):
        assert measured > 0
    assert [point.n_iterations for point in unet.runs[0].curve] == [10, 20]
    assert unet.runs[0].n_iterations == 20
    assert math.isnan(unet.seed_spread)


def test_another_budget_or_rate_is_another_training_and_another_seed_joins(small: Project) -> None:
    def count() -> int:
        return len(list(small.workspace.benchmark.glob("unet-*/seed_*/fold_*/checkpoint.safetensors")))

    compare(small, "unet")
    assert count() == 2
    compare(small, "unet", seeds=(0, 1))
    assert count() == 4
    compare(small, "unet", n_iterations=3)
    compare(small, "unet", learning_rate=0.02)
    assert count() == 8
    assert len(list(small.workspace.benchmark.glob("unet-*"))) == 3


def test_methods_that_fail_are_rows_that_say_why(small: Project) -> None:
    bad = ("make_coarse", "refuse", "crash", "make_infinite")
    benchmark = compare(small, *(f"{OWN}:{name}" for name in bad), "threshold", n_iterations=5)
    coarse, refused, crashed, infinite, threshold = benchmark.methods
    assert coarse.failure is not None
    assert "answers a patch with logits of shape" in coarse.failure
    assert refused.failure == "needs the library nowhere: pip install nowhere."
    assert crashed.failure == "KeyError: 'width'"
    assert infinite.failure is not None
    assert infinite.failure.startswith("fold 0, seed 0: The loss")
    assert [method.pooled is None for method in benchmark.methods] == [True] * 4 + [False]
    assert threshold.failure is None
    assert not any("\n" in (method.failure or "") for method in benchmark.methods)


def test_an_interrupted_comparison_goes_on_where_it_stopped(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_after_an_epoch(job: TrainingJob, watching: Watching) -> Checkpoint:
        def stop(epoch: Epoch) -> None:
            raise KeyboardInterrupt

        return train(job, replace(watching, on_epoch=stop))

    monkeypatch.setattr(TRAIN, stop_after_an_epoch)
    with pytest.raises(KeyboardInterrupt):
        compare(small, "unet", n_iterations=20)
    (resume,) = small.workspace.benchmark.glob("unet-*/seed_0/fold_0/resume.safetensors")
    began: list[int] = []

    def note(job: TrainingJob, watching: Watching) -> Checkpoint:
        began.append(job.resume.stat().st_size if job.resume.is_file() else 0)
        return train(job, watching)

    monkeypatch.setattr(TRAIN, note)
    size = resume.stat().st_size
    benchmark = compare(small, "unet", n_iterations=20)
    assert began == [size, 0]  # the first fold goes on, the second begins
    assert [point.n_iterations for point in benchmark.methods[0].runs[0].curve] == [10, 20]


def test_every_method_searches_with_the_same_trials_on_training_cases(small: Project) -> None:
    benchmark = compare(small, "unet", f"{OWN}:make_pointwise", learning_rate="search", n_iterations=20)
    runs = [run for method in benchmark.methods for run in method.runs]
    assert len({tuple(run.trials) for run in runs}) == 1
    assert {run.n_iterations for run in runs} == {16}  # the trials took 4 of 20
    for run in runs:
        assert f"{run.learning_rate:g}" in run.trials
    for path in small.workspace.benchmark.glob("*/seed_0/fold_0/trials/rate_*/checkpoint.safetensors"):
        facts = read_checkpoint(path).facts
        validating = {case_id for case_id, fold in benchmark.fold_of.items() if fold == 0}
        assert not validating & {*facts["train_ids"], *facts["validation_ids"]}
        assert facts["iterations"] == 1


def test_restart_trains_anew_and_keeps_what_was_there(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(small, "unet")
    trained: list[str] = []
    real: Callable[[TrainingJob, Watching], Checkpoint] = train

    def note(job: TrainingJob, watching: Watching) -> Checkpoint:
        trained.append(job.fold)
        return real(job, watching)

    monkeypatch.setattr(TRAIN, note)
    compare(small, "unet", restart=True)
    assert trained == ["0", "1"]
    assert len(list(small.workspace.benchmark.glob("unet-*/seed_0/fold_*.old1"))) == 2


def test_a_spoilt_result_is_made_again_and_a_missing_one_is_a_row_that_says_which(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compare(small, "unet", "mean_shape")
    (path,) = small.workspace.benchmark.glob("unet-*/seed_0/fold_1/run.json")
    path.write_text("{}")
    again = compare(small, "unet", "mean_shape")
    assert again.methods[0].pooled == before.methods[0].pooled
    path.unlink()
    monkeypatch.setattr("autoseg.pipeline.benchmarking.comparing.run_tasks", lambda *_, **__: {})
    unet, floor = compare(small, "unet", "mean_shape").methods
    assert unet.pooled is None
    assert unet.failure == ("no result that can be read of fold 1, seed 0. The same command runs what is missing.")
    assert floor.pooled is not None


def test_seconds_are_run_anew_when_fewer_jobs_fit_and_iterations_are_not(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(**options: Any) -> int:
        compare_methods(small, ["unet"], n_jobs=2, **options)
        return len(list(small.workspace.benchmark.glob("unet-*")))

    free = {"gb": 64}
    monkeypatch.setattr(
        "autoseg.pipeline.benchmarking.executing.measure_free_memory_bytes", lambda: int(free["gb"] * 1e9)
    )
    assert count(n_iterations=2) == 1
    assert count(train_time_s=0.05) == 2
    free["gb"] = 0.01
    assert count(n_iterations=2) == 2
    assert count(train_time_s=0.05) == 3


def test_what_these_cases_could_show_is_asked_of_all_but_floors(small: Project, tmp_path: Path) -> None:
    """Two readers of whom one moves a voxel in every other case, so that their differences spread."""
    readers = {name: tmp_path / name for name in ("steady", "shaky")}
    for folder in readers.values():
        shutil.copytree(small.dataset.folder / "labelsTr", folder)
    for path in sorted(readers["shaky"].iterdir())[::2]:
        stored, geometry = read_segmentation(path)
        write_segmentation(path, np.roll(stored, 1, axis=2), geometry)

    def find(*methods: str) -> str:
        return compare_methods(
            small, methods, predictions=readers, folds=("0", "1"), n_iterations=2
        ).smallest_difference

    alone = find()
    assert "6 cases" in alone
    assert find("threshold", "mean_shape") == alone


def test_a_comparison_beside_another_is_refused_before_it_does_anything(small: Project) -> None:
    with holding_benchmark(small.workspace), pytest.raises(WorkspaceError, match="another benchmark is running"):
        compare(small, "mean_shape")
    assert not small.workspace.benchmark.exists()
    assert compare(small, "mean_shape").methods[0].failure is None
