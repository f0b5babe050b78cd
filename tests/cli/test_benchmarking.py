"""What `autoseg benchmark` asks for, prints and ends with; the comparison itself is another test's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.evaluation.comparing import compare_all
from autoseg.pipeline.benchmarking import comparing
from autoseg.pipeline.benchmarking.gathering import gather_method
from autoseg.pipeline.benchmarking.methods import Contender
from autoseg.pipeline.benchmarking.records import FinishedRun
from autoseg.pipeline.benchmarking.terms import Terms, TrainingBudget
from tests.cli.conftest import Run
from tests.pipeline.benchmarking.test_gathering import LABELS, score
from tests.pipeline.benchmarking.test_gathering import run as make_run

DICES = {"unet": 0.5, "vnet": 0.8, "fcn8s": None, "threshold": 0.1, "mean_shape": 0.3}  # None: fails


def make_method(contender: Contender) -> MethodResult:
    dice = DICES[contender.name]
    if dice is None:
        return gather_method(contender, (), LABELS, failure="fold 0, seed 0: out of memory", costs=None)
    finished = FinishedRun(result=make_run(0, 0, score("a", dice)), ended="2026-01-01")
    return gather_method(contender, [finished], LABELS, failure=None, costs=None)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Terms and output of every comparison, which is made up from `DICES`."""
    seen: list[Any] = []

    def compare(project: Any, contenders: Sequence[Contender], terms: Terms, output: Path | None = None) -> Benchmark:
        seen.append((terms, output))
        empty = {"learning_rate": "", "equal": (), "machine": {}, "command": "", "date": "", "fold_of": {"a": 0}}
        methods = tuple(make_method(contender) for contender in contenders)
        reports = {method.name: method.pooled for method in methods if method.pooled is not None}
        return Benchmark(
            dataset="P",
            configuration="2d",
            folds=(0,),
            seeds=(0,),
            budget=terms.budget.words,
            methods=methods,
            comparisons=compare_all(reports) if len(reports) > 1 else (),
            **empty,
        )

    monkeypatch.setattr(comparing, "compare_contenders", compare)
    return seen


@pytest.fixture
def benchmark(run: Run, phantom: Path, tmp_path: Path, asked: list[Any]) -> Callable[..., int]:
    return lambda *words: run("benchmark", phantom, "--workspace", tmp_path / "workspace", *words)


def test_what_was_asked_for_becomes_the_terms(benchmark: Callable[..., int], asked: list[Any], tmp_path: Path) -> None:
    words = "--methods unet --flops 1e14 --fold 1 --fold 0 --seeds 2 --learning-rate search --jobs 2 --restart"
    assert benchmark(*words.split(), "--output", tmp_path / "page") == 0
    budget = TrainingBudget("flops", 1e14)
    terms = Terms(budget, folds=("1", "0"), seeds=(0, 1), learning_rate="search", n_jobs=2, restart=True)
    assert asked == [(terms, tmp_path / "page")]


def test_the_best_method_comes_first_and_one_that_failed_last_with_its_reason(
    benchmark: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    assert benchmark("--methods", "fcn8s,unet,vnet", "--iterations", 2) == 0
    told = capsys.readouterr()
    places = [told.out.index(word) for word in ("2 iterations each", "vnet", "unet", "fcn8s", "out of memory")]
    assert places == sorted(places)
    assert "fcn8s has no result: fold 0, seed 0: out of memory" in " ".join(told.err.split())


def test_the_best_is_told_against_each_other_one_and_the_rest_is_the_pages(
    benchmark: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark("--methods", "unet,vnet,threshold,mean_shape", "--iterations", 2) == 0
    told = capsys.readouterr().out
    assert [told.count(f"vnet minus {name} is") for name in ("unet", "threshold", "mean_shape")] == [1, 1, 1]
    assert told.count(" minus ") == 3
    assert "The page compares the other 3 pairs." in told


def test_without_any_result_the_command_fails(
    benchmark: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark("--methods", "fcn8s", "--iterations", 2) == 1
    assert "fcn8s" in capsys.readouterr().out
    assert benchmark("--methods", "fcn8s", "--iterations", 2, "--json") == 1
    assert json.loads(capsys.readouterr().out)["methods"][0]["failure"] == "fold 0, seed 0: out of memory"


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        ("--methods unet", "give exactly one of --train-time, --iterations and --flops"),
        ("--methods unet --flops many", "Invalid value for '--flops'"),
        ("--methods unett --iterations 2", "Did you mean unet?"),
        ("--iterations 2 --fold all", "validates no case"),
    ],
)
def test_a_mistake_is_told_before_anything_is_run(
    benchmark: Callable[..., int], asked: list[Any], capsys: pytest.CaptureFixture[str], words: str, mistake: str
) -> None:
    assert benchmark(*words.split()) == 2
    assert mistake in " ".join(capsys.readouterr().err.split())
    assert asked == []
