"""Which numbers of a comparison are drawn?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autoseg.drawing.costs import Point
from autoseg.drawing.curves import Run, keep_known
from autoseg.drawing.differences import Difference
from autoseg.evaluation.benchmark import Benchmark
from autoseg.evaluation.comparing import Comparison
from autoseg.evaluation.mean_dice import find_mean_dice_interval
from autoseg.evaluation.pairing import pair_differences
from autoseg.evaluation.report import Report
from autoseg.publishing.main_table import COSTS, find_cost
from autoseg.publishing.numbers import choose_prefix
from autoseg.publishing.standing import find_quiet

DRAWN_COSTS = ("flops_per_case", "training_memory_gb", "s_per_case", "n_parameters")


def list_dices(benchmark: Benchmark) -> dict[str, list[float]]:
    """Mean Dice of every case by method, best method first."""
    return {
        method.name: [case.mean_dice for case in method.pooled.cases]
        for method in benchmark.scored
        if method.pooled is not None
    }


def list_differences(benchmark: Benchmark) -> tuple[str, list[Difference]]:
    """The first method that is no floor, and its differences from the others that it was compared with, floors aside.

    Returns:
        The name of the method from which the others are subtracted, and one difference for each of these.
    """
    quiet = find_quiet(benchmark)
    named = {method.name: method.pooled for method in benchmark.scored if method.name not in quiet}
    reports = {name: report for name, report in named.items() if report is not None}
    first = next(iter(reports), "")
    compared = {frozenset((item.one, item.other)): item for item in benchmark.comparisons}
    return first, [
        _subtract(first, other, reports, compared[pair])
        for other in list(reports)[1:]
        if (pair := frozenset((first, other))) in compared
    ]


def _subtract(first: str, other: str, reports: dict[str, Report], item: Comparison) -> Difference:
    sign = 1.0 if item.one == first else -1.0
    low, high = sorted(sign * end for end in item.interval)
    cases = pair_differences(reports[first], reports[other], names=(first, other))
    return Difference(other, np.asarray(cases), sign * item.mean_difference, (low, high), item.is_shown)


def list_runs(benchmark: Benchmark) -> dict[str, list[Run]]:
    """Dice against time of every run by method, for methods that have a curve, best first."""
    runs = {
        method.name: keep_known(
            [([point.spent_s for point in run.curve], [point.dice for point in run.curve]) for run in method.runs]
        )
        for method in benchmark.scored
    }
    return {name: of_method for name, of_method in runs.items() if of_method}


def list_cost_panels(benchmark: Benchmark, costs: Sequence[str] = DRAWN_COSTS) -> dict[str, list[Point]]:
    """Points of Dice against cost by the cost's name, for costs that two methods or more tell; floors are left out."""
    panels = {}
    intervals = {
        method.name: find_mean_dice_interval(method.pooled, benchmark.fold_of)
        for method in benchmark.scored
        if method.pooled is not None
    }
    for name in costs:
        known = [method for method in benchmark.scored if math.isfinite(find_cost(method, name))]
        known = [method for method in known if method.kind != "floor"]
        if len(known) > 1:
            unit = choose_prefix([find_cost(method, name) for method in known])
            prefix, size = (unit.prefix, unit.size) if COSTS[name].is_prefixed else ("", 1.0)
            unit_name = f"{prefix}{COSTS[name].unit}" or "number"
            panels[f"{COSTS[name].title} ({unit_name})"] = [
                Point(method.name, find_cost(method, name) / size, method.mean_dice, intervals[method.name])
                for method in known
            ]
    return panels
