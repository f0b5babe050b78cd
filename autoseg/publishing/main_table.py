"""What do scores and costs of all methods look like beside each other?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.evaluation.definitions import find_facts
from autoseg.evaluation.fronts import find_front
from autoseg.evaluation.mean_dice import find_mean_dice_interval
from autoseg.evaluation.report import Report, mean_of
from autoseg.evaluation.tables import name_length_unit
from autoseg.publishing.document import Block, Cell, Column, Paragraph, Row, Section, Table
from autoseg.publishing.numbers import Unit, choose_prefix, count, show_count, show_interval, show_share, show_three

N_NAMED = 5  # missing cases of a method
KINDS = {"network": "", "floor": "floor", "predictions": "predictions from elsewhere"}


class CostFacts(NamedTuple):
    """A cost: its title, its unit, and whether a prefix shortens its numbers."""

    title: str
    unit: str
    is_prefixed: bool = False


COSTS = {
    "n_parameters": CostFacts("parameters", "", True),
    "flops_per_patch": CostFacts("FLOPs per patch", "FLOP", True),
    "flops_per_case": CostFacts("FLOPs per case", "FLOP", True),
    "s_per_iteration": CostFacts("time per iteration", "s"),
    "s_per_case": CostFacts("prediction per case", "s"),
    "training_memory_gb": CostFacts("memory, training", "GB"),
    "prediction_memory_gb": CostFacts("memory, prediction", "GB"),
    "joules": CostFacts("energy of training", "J", True),
}


class _Measured(NamedTuple):
    """A column of the table and its cell for each method with a result."""

    column: Column
    show: Callable[[MethodResult], Cell]


def make_main_section(benchmark: Benchmark) -> Section:
    """Scores and costs of every method, failed ones included."""
    blocks: list[Block] = [make_main_table(benchmark)]
    missing = [_name_missing(method.name, _missing(method)) for method in benchmark.scored if _missing(method)]
    if missing:
        blocks.append(Paragraph(f"Cases without a prediction, counted as misses: {'; '.join(missing)}."))
    return Section("scores", "Scores and costs", tuple(blocks))


def _missing(method: MethodResult) -> tuple[str, ...]:
    return method.pooled.missing if method.pooled is not None else ()


def _name_missing(name: str, cases: Sequence[str]) -> str:
    more = f" and {count(len(cases) - N_NAMED, 'other')}" if len(cases) > N_NAMED else ""
    return f"{name} {', '.join(cases[:N_NAMED])}{more}"


def make_main_table(benchmark: Benchmark) -> Table:
    """One row per method, best first; failed ones last, with their reason."""
    measured = [*_list_scores(benchmark), *_list_costs(benchmark)]
    rows = [Row(_make_head(method), tuple(item.show(method) for item in measured)) for method in benchmark.scored]
    failed = [method for method in benchmark.methods if method.pooled is None]
    rows += [Row(_make_head(method), failure=method.failure or "no result") for method in failed]
    columns = (Column("method", is_text=True), *(item.column for item in measured))
    return Table("Scores and costs of every method, best first", columns, tuple(rows), _note(benchmark), is_wide=True)


def _note(benchmark: Benchmark) -> str:
    unknown = [facts.title for name, facts in COSTS.items() if not _is_known(benchmark, name)]
    sentences = [
        "95%: interval of the mean, from resampled cases.",
        "Seeds: standard deviation of the mean Dice over seeds."
        if any(math.isfinite(method.seed_spread) for method in benchmark.scored)
        else "",
        "◆: on the Pareto front, no other method has a Dice as high at a cost as low.",
        "FLOP: a multiply-add counts two. GB: 2³⁰ bytes." if any(method.costs for method in benchmark.scored) else "",
        "Prediction: mean over up to three cases of each fold, the largest included."
        if _is_known(benchmark, "s_per_case")
        else "",
        f"Not measured: {', '.join(unknown)}." if unknown else "",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _make_head(method: MethodResult) -> Cell:
    kind = KINDS[method.kind]
    return Cell(method.name, "; ".join(part for part in (kind, method.source) if part))


def _list_scores(benchmark: Benchmark) -> list[_Measured]:
    scores = [_Measured(Column("Dice", "mean, 95%", "Scores"), lambda method: _show_dice(method, benchmark))]
    if any(math.isfinite(method.seed_spread) for method in benchmark.scored):
        scores.append(_Measured(Column("seeds", "SD", "Scores"), lambda method: Cell(_show_spread(method.seed_spread))))
    reports = [method.pooled for method in benchmark.scored if method.pooled is not None]
    metrics = [
        name for name in (find_main_nsd(reports), "hd95") if any(_is_counted(report, name) for report in reports)
    ]
    scores += [_make_score(metric, find_length_unit(reports)) for metric in metrics]
    rank_of = (
        {}
        if benchmark.ranking is None
        else dict(zip(benchmark.ranking.methods, benchmark.ranking.mean_ranks, strict=True))
    )
    if rank_of:
        column = Column("rank", "mean", "Scores")
        scores.append(_Measured(column, lambda method: Cell(f"{rank_of.get(method.name, math.nan):.2f}")))
    return scores


def _is_counted(report: Report, metric: str) -> bool:
    return math.isfinite(average_labels(report, metric))


def _make_score(metric: str, unit_of_length: str) -> _Measured:
    facts = find_facts(metric)
    is_length = facts.unit == "length"
    show = show_three if is_length else show_share

    def show_score(method: MethodResult) -> Cell:
        return Cell(show(math.nan if method.pooled is None else average_labels(method.pooled, metric)))

    title, *tolerance = facts.title.split(maxsplit=1)
    unit = unit_of_length if is_length else " ".join(["at", *tolerance]) if tolerance else ""
    return _Measured(Column(title, unit, "Scores"), show_score)


def _show_dice(method: MethodResult, benchmark: Benchmark) -> Cell:
    if method.pooled is None:
        return Cell(show_share(math.nan))
    interval = find_mean_dice_interval(method.pooled, benchmark.fold_of)
    return Cell(show_share(method.mean_dice), show_interval(interval))


def _show_spread(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "–"


def _is_known(benchmark: Benchmark, cost: str) -> bool:
    return any(math.isfinite(find_cost(method, cost)) for method in benchmark.scored)


def _list_costs(benchmark: Benchmark) -> list[_Measured]:
    costs = [_make_cost(name, benchmark) for name in COSTS if _is_known(benchmark, name)]
    if any(run.n_iterations for method in benchmark.scored for run in method.runs):
        column = Column("iterations", "budget", "Costs")
        costs.append(_Measured(column, lambda method: Cell(show_count(count_iterations(method) or math.nan))))
    return costs


def _make_cost(name: str, benchmark: Benchmark) -> _Measured:
    facts = COSTS[name]
    values = {method.name: find_cost(method, name) for method in benchmark.scored}
    unit = choose_prefix(list(values.values())) if facts.is_prefixed else Unit("", 1.0)
    front = find_front(list(values.values()), [method.mean_dice for method in benchmark.scored])
    on_front = {method for method, is_on in zip(values, front, strict=True) if is_on}

    def show(method: MethodResult) -> Cell:
        return Cell(unit.show(values[method.name]), is_on_front=method.name in on_front)

    column = Column(facts.title, f"{unit.prefix}{facts.unit}", "Costs", has_front=True)
    return _Measured(column, show)


def find_cost(method: MethodResult, name: str) -> float:
    """A cost of a method by its name in `Costs`; NaN where it is not known."""
    return math.nan if method.costs is None else float(getattr(method.costs, name))


def count_iterations(method: MethodResult) -> float:
    """Iterations of a training, mean over runs."""
    return statistics.fmean(run.n_iterations for run in method.runs) if method.runs else math.nan


def average_labels(report: Report, metric: str) -> float:
    """Mean over labels of the mean over cases."""
    return mean_of([metrics[metric].mean for metrics in report.summary.values() if metric in metrics])


def find_main_nsd(reports: Sequence[Report]) -> str:
    """The surface Dice at the largest tolerance that all labels share; empty where there is none."""
    labels = [metrics for report in reports for metrics in report.summary.values()]
    shared = set.intersection(*(set(metrics) for metrics in labels)) if labels else set()
    found = sorted((name for name in shared if name.startswith("nsd_")), key=lambda name: (float(name[4:-2]), name))
    return found[-1] if found else ""


def find_length_unit(reports: Sequence[Report]) -> str:
    """`px` where no image has a spacing, `mm` where all have, `mm or px` where they differ."""
    units = {name_length_unit(case) for report in reports for case in report.cases}
    return " or ".join(sorted(units)) or "mm"
