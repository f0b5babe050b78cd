"""How do runs become the result of a method?

A method has a report that holds every case once: each score of a case is the mean over seeds. So the statistics see as
many cases as there are, and not as many as there are runs. Where the reference is empty and some seeds rightly found
nothing, which counts nothing alone, while others invented something, the right ones count as perfect, as a pair of
methods is compared (`evaluation.overlap.reward_right_empties`). A case is missing if it is for any seed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

from autoseg.data.labels import Labels
from autoseg.evaluation.benchmark import Costs, MethodResult, RunResult
from autoseg.evaluation.definitions import Worst, find_facts
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import CaseScores, LabelScores, Report, mean_of
from autoseg.networks.costs import NetworkCosts
from autoseg.pipeline.benchmarking.methods import Contender
from autoseg.pipeline.benchmarking.records import NOT_MEASURED, FinishedRun

PERFECT: dict[Worst, float] = {"lowest": 1.0, "highest": 0.0}  # what a metric is at best, by its bad end


def gather_method(
    contender: Contender,
    finished: Sequence[FinishedRun],
    labels: Labels,
    *,
    failure: str | None,
    costs: NetworkCosts | None,
) -> MethodResult:
    """The result of a method out of its runs; without scores where it failed."""
    runs = tuple(one.result for one in finished)
    failure = failure or _find_emptiness(contender, runs)
    result = MethodResult(name=contender.name, kind=contender.kind, source=contender.source, failure=failure, runs=runs)
    if failure is not None:
        return result
    return result.model_copy(
        update={
            "pooled": pool_runs(runs, labels),
            "seed_spread": measure_seed_spread(runs, labels),
            "costs": sum_costs(finished, costs) if contender.kind == "network" else None,
        }
    )


def _find_emptiness(contender: Contender, runs: Sequence[RunResult]) -> str | None:
    """Why predictions from elsewhere are no result: there is not one file for the cases; None where there is one."""
    cases = [case for run in runs for case in run.report.cases]
    if contender.kind != "predictions" or not cases or not all(case.is_missing for case in cases):
        return None
    return (
        f"{contender.source}: holds no file for any of the {len(cases)} validation cases, for example "
        f"{cases[0].case_id}. Files are named after their cases."
    )


def pool_runs(runs: Sequence[RunResult], labels: Labels) -> Report:
    """Every case once: of each label and metric the mean over seeds."""
    of_case: dict[str, list[CaseScores]] = {}
    for run in runs:
        for case in run.report.cases:
            of_case.setdefault(case.case_id, []).append(case)
    fold_of = {case.case_id: run.fold for run in runs for case in run.report.cases}
    averaged = [_average_case(cases) for cases in of_case.values()]
    return make_report(averaged, labels, options=runs[0].report.options, fold_of=fold_of)


def _average_case(cases: Sequence[CaseScores]) -> CaseScores:
    if len(cases) == 1:
        return cases[0]
    first = cases[0]
    return CaseScores(
        case_id=first.case_id,
        labels={name: _average([case.labels[name] for case in cases]) for name in first.labels},
        is_missing=any(case.is_missing for case in cases),
    )


def _average(scores: Sequence[LabelScores]) -> LabelScores:
    """The mean of every metric over the seeds that count it, and those that rightly found nothing."""
    listed = _reward_right_empties([one.values() for one in scores])
    names = dict.fromkeys(name for values in listed for name in values)
    means = {name: mean_of([values.get(name, math.nan) for values in listed]) for name in names}
    nsd = {name: means.pop(name) for name in dict.fromkeys(name for one in scores for name in one.nsd)}
    return LabelScores(**means, nsd=nsd)


def _reward_right_empties(listed: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """The metrics of each seed, perfect where it alone left an empty reference empty: then its Dice is not counted."""
    invented = [values for values in listed if not math.isnan(values["dice"])]
    counted = {name for values in invented for name, value in values.items() if not math.isnan(value)}
    perfect = {
        name: PERFECT[facts.worst]
        for name in counted
        if (facts := find_facts(name)).worst in PERFECT and facts.group != "calibration"
    }
    return [_fill(values, perfect) if math.isnan(values["dice"]) else values for values in listed]


def _fill(values: dict[str, float], others: dict[str, float]) -> dict[str, float]:
    """The values, and of the others those that are not counted."""
    return {**values, **{name: other for name, other in others.items() if math.isnan(values.get(name, math.nan))}}


def measure_seed_spread(runs: Sequence[RunResult], labels: Labels) -> float:
    """Standard deviation over seeds of the mean foreground Dice over all cases, NaN for a single seed."""
    seeds = dict.fromkeys(run.seed for run in runs)
    means = [pool_runs([run for run in runs if run.seed == seed], labels).mean_dice for seed in seeds]
    return statistics.stdev(means) if len(means) > 1 else math.nan


def sum_costs(finished: Sequence[FinishedRun], costs: NetworkCosts | None) -> Costs:
    """Means over runs, and the highest peaks; energy only of runs that had the machine to themselves."""
    measured = [one.measured for one in finished]
    return Costs(
        n_parameters=NOT_MEASURED if costs is None else costs.n_parameters,
        flops_per_patch=NOT_MEASURED if costs is None or costs.uncounted else float(costs.flops_per_patch),
        flops_per_case=mean_of([one.flops_per_case for one in measured]),
        s_per_iteration=mean_of([one.s_per_iteration for one in measured]),
        training_memory_gb=_highest(one.training_memory_gb for one in measured),
        prediction_memory_gb=_highest(one.prediction_memory_gb for one in measured),
        s_per_case=mean_of([one.s_per_case for one in measured]),
        joules=mean_of([one.measured.joules for one in finished if not _had_neighbours(one)]),
    )


def _had_neighbours(finished: FinishedRun) -> bool:
    return finished.circumstances is not None and finished.circumstances.n_jobs > 1


def _highest(values: Iterable[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=NOT_MEASURED)
