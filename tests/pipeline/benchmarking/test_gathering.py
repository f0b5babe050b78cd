"""Every case once, the mean over seeds: by hand."""

from __future__ import annotations

import math

import pytest

from autoseg.data.labels import Labels
from autoseg.evaluation.benchmark import RunResult
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import CaseScores, LabelScores
from autoseg.pipeline.benchmarking.gathering import gather_method, measure_seed_spread, pool_runs, sum_costs
from autoseg.pipeline.benchmarking.methods import Contender
from autoseg.pipeline.benchmarking.records import FinishedRun, Measured, mean_iteration_s
from autoseg.training.history import Epoch

LABELS = Labels(names=("background", "organ"), values=(0, 1))
NAN = math.nan


def score(case_id: str, dice: float, *, precision: float = 0.5, nsd: float = 0.5, missing: bool = False) -> CaseScores:
    values = {"dice": dice, "jaccard": dice, "precision": precision, "recall": dice}
    volumes = {"reference_ml": 1.0, "predicted_ml": 1.0, "volume_error_ml": 0.0}
    scores = LabelScores(**values, **volumes, nsd={"nsd_2mm": nsd})
    return CaseScores(case_id=case_id, labels={"organ": scores}, is_missing=missing)


def run(fold: int, seed: int, *cases: CaseScores) -> RunResult:
    return RunResult(fold=fold, seed=seed, report=make_report(cases, LABELS))


RUNS = (
    run(0, 0, score("a", 0.2, precision=NAN, nsd=0.0), score("b", 0.4)),
    run(1, 0, score("c", 0.9)),
    run(0, 1, score("a", 0.6, precision=0.8, nsd=1.0), score("b", 0.8, missing=True)),
    run(1, 1, score("c", 0.7)),
)


def test_every_case_is_there_once_with_the_mean_over_seeds() -> None:
    pooled = pool_runs(RUNS, LABELS)
    dices = {case.case_id: case.labels["organ"].dice for case in pooled.cases}
    assert dices == pytest.approx({"a": 0.4, "b": 0.6, "c": 0.8})
    assert pooled.mean_dice == pytest.approx(0.6)
    first = pooled.cases[0].labels["organ"]
    assert (first.precision, first.nsd) == (0.8, {"nsd_2mm": 0.5})  # of the seeds that count it
    assert pooled.missing == ()  # there for one seed at least


def test_the_spread_is_that_of_whole_seeds() -> None:
    """Seed 0 has (0.2 + 0.4 + 0.9) / 3 = 0.5, seed 1 has 0.7: their deviation is 0.1 * sqrt(2)."""
    assert measure_seed_spread(RUNS, LABELS) == pytest.approx(0.1 * math.sqrt(2))
    assert math.isnan(measure_seed_spread(RUNS[:2], LABELS))


def test_costs_are_means_and_peaks() -> None:
    finished = [
        FinishedRun(result=one, measured=Measured(s_per_iteration=s, training_memory_gb=gb, joules=joules), ended="")
        for one, s, gb, joules in zip(RUNS, (1.0, 2.0, 3.0, NAN), (1.0, 4.0, 2.0, NAN), (NAN,) * 4, strict=True)
    ]
    costs = sum_costs(finished, None)
    assert (costs.s_per_iteration, costs.training_memory_gb) == (2.0, 4.0)
    assert math.isnan(costs.joules)


def test_a_failed_method_keeps_its_runs_and_has_no_scores() -> None:
    finished = [FinishedRun(result=RUNS[0], ended="2026-01-01")]
    contender = Contender("unet", "network", "a paper")
    failed = gather_method(contender, finished, LABELS, failure="fold 1, seed 0: out of memory", costs=None)
    assert (failed.pooled, failed.costs, len(failed.runs)) == (None, None, 1)
    assert math.isnan(failed.mean_dice)


def test_seconds_of_an_iteration_are_weighted_by_iterations() -> None:
    def epoch(number: int, iteration: int, seconds: float) -> Epoch:
        rest = {"spent_s": 0.0, "share": 0.0, "learning_rate": 0.1, "loss": 1.0, "terms": {}, "validation_dice": {}}
        return Epoch(epoch=number, iteration=iteration, iteration_s=seconds, waiting_share=0.0, memory_gb=1.0, **rest)

    assert mean_iteration_s((epoch(1, 30, 1.0), epoch(2, 40, 5.0))) == pytest.approx(2.0)
    assert math.isnan(mean_iteration_s(()))
