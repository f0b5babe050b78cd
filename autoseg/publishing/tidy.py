"""How are all scores of a comparison handed on: one row per value (Wickham, Tidy Data, 2014)?"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from autoseg.evaluation.benchmark import Benchmark, MethodResult, RunResult
from autoseg.evaluation.definitions import name_unit
from autoseg.evaluation.tables import name_length_unit
from autoseg.publishing.main_table import COSTS, find_cost
from autoseg.serialization import replacing

COLUMNS = ("method", "kind", "fold", "seed", "case", "label", "metric", "value", "unit", "is_missing")
Line = tuple[object, ...]


def write_results(benchmark: Benchmark, path: Path) -> None:
    """Write every score of every case, label and run, what runs spent, and what methods cost, as CSV.

    A score that is not counted in a case has an empty value; a metric that is counted nowhere has no rows. The unit of
    a length is that of its case. `is_missing` is 1 for a case without a prediction. A cost has no fold, what a run
    spent no case. Numbers have all their digits.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_list_lines(benchmark))


def _list_lines(benchmark: Benchmark) -> Iterator[Line]:
    counted = _find_counted(benchmark)
    for method in benchmark.methods:
        for run in method.runs:
            yield from _list_spent(method, run)
            yield from _list_scores(method, run, counted)
        yield from _list_costs(method)


def _find_counted(benchmark: Benchmark) -> set[str]:
    """Metrics that are counted anywhere."""
    reports = [run.report for method in benchmark.methods for run in method.runs]
    summaries = [metrics for report in reports for metrics in report.summary.values()]
    return {metric for metrics in summaries for metric, summary in metrics.items() if summary.n}


def _list_spent(method: MethodResult, run: RunResult) -> Iterator[Line]:
    start = (method.name, method.kind, run.fold, run.seed, "", "")
    if run.n_iterations:
        yield (*start, "n_iterations", run.n_iterations, "count", "")
        yield (*start, "training_time", _write(run.spent_s), "s", "")
    if run.learning_rate is not None:
        yield (*start, "learning_rate", _write(run.learning_rate), "", "")


def _list_scores(method: MethodResult, run: RunResult, counted: set[str]) -> Iterator[Line]:
    for case in run.report.cases:
        unit = name_length_unit(case)
        for label, scores in case.labels.items():
            start = (method.name, method.kind, run.fold, run.seed, case.case_id, label)
            for metric, value in scores.values().items():
                if metric in counted:
                    yield (*start, metric, _write(value), name_unit(metric, unit), int(case.is_missing))


def _list_costs(method: MethodResult) -> Iterator[Line]:
    for name, facts in COSTS.items():
        value = find_cost(method, name)
        if math.isfinite(value):
            yield (method.name, method.kind, "", "", "", "", name, _write(value), facts.unit or "count", "")


def _write(value: float) -> str:
    """The shortest digits that give the number back; nothing where it is not counted."""
    return "" if math.isnan(value) else repr(float(value)).removesuffix(".0")
