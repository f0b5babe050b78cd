"""How well is each label segmented, by which method, and in which cases by none?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.evaluation.definitions import find_facts, name_unit
from autoseg.evaluation.report import Report, Summary
from autoseg.publishing.document import Block, Cell, Column, Folded, Row, Section, Table
from autoseg.publishing.main_table import find_length_unit
from autoseg.publishing.numbers import count, show_count, show_interval, show_share, show_three

N_HARD_CASES = 10  # named: those that most methods do badly
NOT_AVERAGED = {"dice", "predicted_ml"}  # the former has columns of its own, the latter follows from its error


def make_label_section(benchmark: Benchmark) -> Section:
    """Tables per label, and the cases that are hard for all."""
    methods = benchmark.scored
    reports = [method.pooled for method in methods if method.pooled is not None]
    labels = list(reports[0].summary) if reports else []
    tables = [make_label_table(label, methods) for label in labels]
    blocks: list[Block] = []
    if len(labels) == 1:
        blocks += tables
    elif labels:
        blocks.append(make_overview(labels, methods))
        title = f"Every metric of each of the {count(len(labels), 'label')}"
        blocks.append(Folded(title, tuple(tables)))
    if reports:
        blocks.append(make_hard_cases(methods))
    return Section("labels", "Labels and cases", tuple(blocks))


def make_overview(labels: Sequence[str], methods: Sequence[MethodResult]) -> Table:
    """Dice of every label by every method."""
    rows = []
    for label in labels:
        cells = []
        for method in methods:
            dice = _report(method).summary[label]["dice"]
            cells.append(Cell(show_share(dice.mean), f"± {show_share(dice.std)}"))
        rows.append(Row(Cell(label), tuple(cells)))
    columns = (Column("label", is_text=True), *(Column(method.name) for method in methods))
    return Table("Dice per label: mean ± standard deviation over cases", columns, tuple(rows))


def _report(method: MethodResult) -> Report:
    assert method.pooled is not None
    return method.pooled


def make_label_table(label: str, methods: Sequence[MethodResult]) -> Table:
    """Every metric of one label: of Dice its distribution, of the others the mean over cases."""
    reports = [_report(method) for method in methods]
    metrics = _list_metrics(label, reports)
    unit = find_length_unit(reports)
    dice = ("mean", "95% interval", "median", "SD", "cases")
    columns = (
        Column("method", is_text=True),
        *(Column(title, "", "Dice") for title in dice),
        *(Column(find_facts(metric).title, name_unit(metric, unit), "Mean over cases") for metric in metrics),
    )
    rows = []
    for method, report in zip(methods, reports, strict=True):
        summary = report.summary[label]
        means = tuple(_show(metric, summary.get(metric), summary["dice"].n) for metric in metrics)
        rows.append(Row(Cell(method.name), (*_show_dice(summary["dice"]), *means)))
    note = "n: cases where a metric is counted, if they are not as many as for Dice."
    is_noted = any(cell.detail for row in rows for cell in row.cells)
    return Table(label, columns, tuple(rows), note if is_noted else "", is_wide=True)


def _list_metrics(label: str, reports: Sequence[Report]) -> list[str]:
    """Metrics that are known of the label somewhere, in the order of the first report."""
    known: dict[str, None] = {}
    for report in reports:
        for metric, summary in report.summary[label].items():
            if metric not in NOT_AVERAGED and not math.isnan(summary.mean):
                known[metric] = None
    return list(known)


def _show_dice(dice: Summary) -> tuple[Cell, ...]:
    interval = show_interval((dice.low, dice.high))
    texts = (show_share(dice.mean), interval, show_share(dice.median), show_share(dice.std), show_count(dice.n))
    return tuple(map(Cell, texts))


def _show(metric: str, summary: Summary | None, n_usual: int) -> Cell:
    """The mean, and over how many cases where these are not the usual number."""
    if summary is None:
        return Cell(show_share(math.nan))
    show = show_three if find_facts(metric).unit else show_share
    return Cell(show(summary.mean), "" if summary.n == n_usual else f"n = {summary.n:,}")


def make_hard_cases(methods: Sequence[MethodResult]) -> Table:
    """The cases with the lowest median Dice over methods that are no floors."""
    table = {method.name: {case.case_id: case.mean_dice for case in _report(method).cases} for method in methods}
    judges = [method.name for method in methods if method.kind != "floor"] or list(table)
    medians = {}
    for case_id in next(iter(table.values())):
        known = [dice for name in judges if not math.isnan(dice := table[name].get(case_id, math.nan))]
        if known:
            medians[case_id] = statistics.median(known)
    hardest = sorted(medians, key=lambda case_id: medians[case_id])[:N_HARD_CASES]
    rows = tuple(
        Row(Cell(case_id), tuple(Cell(show_share(by_case.get(case_id, math.nan))) for by_case in table.values()))
        for case_id in hardest
    )
    columns = (Column("case", is_text=True), *(Column(name) for name in table))
    note = "Dice: mean over labels. Every case stands in results.csv."
    return Table(f"The {count(len(rows), 'case')} with the lowest median Dice over methods", columns, rows, note)
