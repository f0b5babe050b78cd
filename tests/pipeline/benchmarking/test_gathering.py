"""Every case once, the mean over seeds: by hand."""

from __future__ import annotations

import math

import pytest

from autoseg.data.labels import Labels
from autoseg.evaluation.benchmark import RunResult
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import CaseScores, LabelScores
from autoseg.pipeline.benchmarking.circumstances import observe
from autoseg.pipeline.benchmarking.gathering import gather_method, measure_seed_spread, pool_runs, sum_costs
from autoseg.pipeline.benchmarking.methods import Contender
from autoseg.pipeline.benchmarking.records import FinishedRun, Measured, mean_iteration_s
from autoseg.training.history import Epoch

LABELS = Labels(names=("background", "organ"), values=(0, 1))
NAN = math.nan
NSD = "nsd_2mm"
VOLUMES = {"reference_ml": 1.0, "predicted_ml": 1.0, "volume_error_ml": 0.0}


def score(case_id: str, dice: float, *, precision: float = 0.5, nsd: float = 0.5, missing: bool = False) -> CaseScores:
    values = {"dice": dice, "jaccard": dice, "precision": precision, "recall": dice}
    scores = LabelScores(**values, **VOLUMES, nsd={NSD: nsd})
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
    assert pooled.missing == ("b",)  # of one seed


def test_a_seed_that_rightly_found_nothing_is_perfect_beside_one_that_invented_something() -> None:
    """The reference of the first is empty: 0 and 1 are a half; of the second no seed finds what is there."""
    invented = LabelScores(**VOLUMES, dice=0, jaccard=0, precision=0, recall=NAN, hd95=40, lesion_f1=0, nsd={NSD: 0})
    right = LabelScores(**VOLUMES, **dict.fromkeys(("dice", "jaccard", "precision", "recall"), NAN), nsd={NSD: NAN})
    nothing = LabelScores(**VOLUMES, dice=0.0, jaccard=0.0, precision=NAN, recall=0.0)
    something = nothing.model_copy(update={"precision": 0.2})
    pairs = ((invented, right), (right, right), (nothing, something))
    runs = [
        run(0, seed, *(CaseScores(case_id=str(at), labels={"organ": pair[seed]}) for at, pair in enumerate(pairs)))
        for seed in (0, 1)
    ]
    mixed, empty, found = (case.labels["organ"] for case in pool_runs(runs, LABELS).cases)
    assert (mixed.dice, mixed.jaccard, mixed.precision, mixed.lesion_f1) == (0.5, 0.5, 0.5, 0.5)
    assert (mixed.hd95, mixed.nsd) == (20.0, {NSD: 0.5})
    assert math.isnan(mixed.recall)
    assert math.isnan(mixed.assd)  # nobody measured it
    assert math.isnan(empty.dice)
    assert (found.dice, found.precision) == (0.0, 0.2)  # precision of the seeds that count it


def test_predictions_without_a_file_for_any_case_are_no_result() -> None:
    """One file among all folds is enough: the others are misses."""
    reader = Contender("reader", "predictions", "reader/")
    missing = [
        FinishedRun(result=run(fold, 0, score(name, 0.0, missing=True)), ended="")
        for fold, name in ((0, "a"), (1, "b"))
    ]
    there = FinishedRun(result=run(1, 0, score("b", 0.9)), ended="")
    refused = gather_method(reader, missing, LABELS, failure=None, costs=None)
    assert refused.pooled is None
    assert refused.failure == (
        "reader/: holds no file for any of the 2 validation cases, for example a. Files are named after their cases."
    )
    kept = gather_method(reader, [missing[0], there], LABELS, failure=None, costs=None)
    assert kept.pooled is not None
    assert kept.pooled.missing == ("a",)


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
    assert math.isnan(costs.n_parameters)  # nobody could look into it, and 0 would be the cheapest of all


def test_energy_counts_of_runs_that_had_the_machine_to_themselves() -> None:
    """The counters are those of a whole processor: beside another run they tell of both."""
    there = observe("cpu", 1)
    finished = [
        FinishedRun(
            result=RUNS[0],
            measured=Measured(joules=joules),
            circumstances=there.model_copy(update={"n_jobs": n_jobs}),
            ended="",
        )
        for joules, n_jobs in ((100.0, 1), (900.0, 2))
    ]
    assert sum_costs(finished, None).joules == 100.0
    assert math.isnan(sum_costs(finished[1:], None).joules)


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
