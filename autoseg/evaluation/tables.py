"""What does a report show as rows: per label, per case, and tidy for other programs?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from autoseg.evaluation.definitions import FACTS, find_facts, name_unit
from autoseg.evaluation.report import CaseScores, Report, Summary, WorstCase

Cell = str | float | int
Table = tuple[list[str], list[list[Cell]]]  # columns and rows

TIDY_COLUMNS = ("case", "label", "metric", "value", "unit", "is_missing")
SUMMARY_COLUMNS = ("mean", "low", "high", "median", "std", "n", "worst", "worst case")


def list_metrics(report: Report, label: str | None = None) -> list[str]:
    """Metrics that were counted in any case of a label, or of any label, in the order of the definitions."""
    names = report.summary if label is None else [label]
    counted = {metric for name in names for metric, its in report.summary[name].items() if its.n}
    order = list(FACTS)
    return sorted(counted, key=lambda metric: (order.index(_root(metric)), len(metric), metric))


def _root(metric: str) -> str:
    return next((name for name in FACTS if name == metric), metric.split("_")[0])


def name_length_unit(case: CaseScores) -> str:
    """`mm`, or `px` where the case's format stores no spacing, so that its volumes are not known."""
    scored = [scores for scores in case.labels.values() if not scores.is_unscored]
    return "px" if scored and all(math.isnan(scores.reference_ml) for scores in scored) else "mm"


def name_report_unit(report: Report) -> str:
    """The unit of lengths of a report; `mm or px` where its cases differ."""
    units = sorted({name_length_unit(case) for case in report.cases})
    return " or ".join(units) or "mm"


def label_rows(report: Report, others: Sequence[str] | None = None) -> Table:
    """One row per label: Dice with its interval, spread and worst case, then means.

    Args:
        report: of an evaluation.
        others: metrics whose means follow; None for all that were counted anywhere.
    """
    known = [metric for metric in list_metrics(report) if metric != "dice" and (others is None or metric in others)]
    table: list[list[Cell]] = []
    for name, metrics in report.summary.items():
        dice = _summary_cells(metrics["dice"], report.worst.get(name, {}).get("dice"))
        table.append([name, *dice, *(metrics[metric].mean if metric in metrics else math.nan for metric in known)])
    return ["label", "dice", *SUMMARY_COLUMNS[1:], *known], table


def metric_rows(report: Report, label: str) -> Table:
    """One row per metric of a label: mean with its interval, median, standard deviation, n and the worst case."""
    unit = name_report_unit(report)
    table: list[list[Cell]] = []
    for metric in list_metrics(report, label):
        worst = report.worst.get(label, {}).get(metric)
        title = title_metric(metric, unit)
        table.append([title, *_summary_cells(report.summary[label][metric], worst)])
    return ["metric", *SUMMARY_COLUMNS], table


def title_metric(metric: str, unit_of_length: str) -> str:
    """A metric for people, with its unit and an arrow towards the better end."""
    facts, unit = find_facts(metric), name_unit(metric, unit_of_length)
    arrow = {"lowest": " ↑", "highest": " ↓", "farthest from 0": " →0"}.get(facts.worst, "")
    return facts.title + (f" [{unit}]" if unit not in ("", "count") else "") + arrow


def _summary_cells(summary: Summary, worst: WorstCase | None) -> list[Cell]:
    named: list[Cell] = [math.nan, "-"] if worst is None else [worst.value, worst.case_id]
    return [summary.mean, summary.low, summary.high, summary.median, summary.std, summary.n, *named]


def case_rows(report: Report) -> Table:
    """One row per case and label with every metric that was counted anywhere."""
    metrics = list_metrics(report)
    table: list[list[Cell]] = []
    for case in report.cases:
        for name, scores in case.labels.items():
            values = scores.values()
            table.append([case.case_id, name, *(values.get(metric, math.nan) for metric in metrics)])
    return ["case", "label", *metrics], table


def tidy_rows(report: Report) -> Iterator[Sequence[Cell]]:
    """One row per case, label and metric (`TIDY_COLUMNS`), one at a time; NaN where the metric is not counted."""
    counted = list_metrics(report)
    metrics = {name: [metric for metric in counted if metric in its] for name, its in report.summary.items()}
    for case in report.cases:
        unit = name_length_unit(case)
        for name, scores in case.labels.items():
            values = scores.values()
            for metric in metrics[name]:
                value = values.get(metric, math.nan)
                yield case.case_id, name, metric, value, name_unit(metric, unit), int(case.is_missing)
