"""`evaluate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import AsJson
from autoseg.errors import UsageError
from autoseg.evaluation.definitions import FACTS
from autoseg.evaluation.options import GROUPS, MetricOptions
from autoseg.serialization import did_you_mean

if TYPE_CHECKING:
    from autoseg.evaluation.report import Report

MOST_TABLES = 6  # labels that are shown with every metric each; more get a row each
AT_A_GLANCE = ("hd95", "nsd_", "lesion_f1")  # beside Dice, where each label is a row


def evaluate(
    reference: Annotated[
        Path,
        typer.Argument(metavar="REFERENCE", help="Folder (or file) of reference segmentations.", show_default=False),
    ],
    predicted: Annotated[
        Path,
        typer.Argument(metavar="PREDICTED", help="Folder (or file) of predicted segmentations.", show_default=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER|FILE",
            help="Also write report.json, report.csv (tidy: a row per case, label and metric) and report.md into this "
            "folder, or one of them to this .json, .csv or .md.",
            show_default=False,
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="GROUPS",
            help=f"What to measure, separated by commas: {', '.join(GROUPS)}. overlap alone is the fastest. [default: "
            "all; centre_lines only of --tubular labels, calibration only with --probabilities]",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        list[float] | None,
        typer.Option(
            "--tolerance",
            metavar="MM",
            help="Of the surface Dice (px without spacing); repeat it for several. [default: 1 and 2]",
            show_default=False,
        ),
    ] = None,
    label_tolerance: Annotated[
        list[str] | None,
        typer.Option(
            "--label-tolerance",
            metavar="NAME=MM",
            help="The tolerance of one label instead; repeat it for several labels, or several tolerances of one.",
            show_default=False,
        ),
    ] = None,
    min_lesion_volume: Annotated[
        float, typer.Option("--min-lesion-volume", metavar="ML", min=0, help="Smaller lesions do not count.")
    ] = 0.0,
    tubular: Annotated[
        list[str] | None,
        typer.Option(
            "--tubular",
            metavar="NAME",
            help="Compare the centre lines of this label (clDice), or of all; repeat it for several. Slow.",
            show_default=False,
        ),
    ] = None,
    probabilities: Annotated[
        Path | None,
        typer.Option(
            "--probabilities",
            metavar="FOLDER",
            help="Measure calibration, too: where `predict-ensemble --probabilities` wrote.",
            show_default=False,
        ),
    ] = None,
    cases: Annotated[
        str | None,
        typer.Option("--cases", metavar="NAMES", help="Only these, separated by commas.", show_default=False),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", metavar="N", min=1, help="Cores to use. [default: all]", show_default=False),
    ] = None,
    per_case: Annotated[bool, typer.Option("--per-case", help="Print a row for every case and label, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score predicted segmentations per case and label. A missing prediction counts as a miss, never as absent."""
    from autoseg.evaluation.evaluating import evaluate_folders
    from autoseg.evaluation.report_files import refuse_other_endings, write_report

    options = parse_metric_options(metrics, tolerance, label_tolerance, min_lesion_volume, tubular)
    if output is not None:
        refuse_other_endings(output)
    with TerminalReporter().follow("Evaluating", 1.0) as advance:
        report = evaluate_folders(
            reference,
            predicted,
            case_ids=None if cases is None else _split(cases),
            options=options,
            probabilities=probabilities,
            n_jobs=jobs,
            on_progress=lambda done, total: advance(done / total, ""),
        )
    files = [] if output is None else write_report(output, report)
    if as_json:
        print_json(report)
        return
    _print_report(report, per_case=per_case)
    for file in files:
        stdout.print(str(file), markup=False, soft_wrap=True)


def parse_metric_options(
    metrics: str | None = None,
    tolerances: Sequence[float] | None = None,
    label_tolerances: Sequence[str] | None = None,
    min_lesion_volume_ml: float = 0.0,
    tubular: Sequence[str] | None = None,
) -> MetricOptions:
    """What to measure, as words of the command line say it; nothing said is the default.

    Raises:
        UsageError: no such group or metric, or a tolerance that is none.
    """
    said: dict[str, Any] = {"min_lesion_volume_ml": min_lesion_volume_ml}
    if metrics is not None:
        said["groups"] = _parse_groups(metrics)
    if tolerances:
        said["tolerances"] = tuple(_require_positive(value, f"--tolerance {value:g}") for value in tolerances)
    if label_tolerances:
        said["label_tolerances"] = _parse_label_tolerances(label_tolerances)
    if tubular:
        said["tubular"] = tuple(tubular)
    return MetricOptions(**said)


def _parse_groups(words: str) -> tuple[str, ...]:
    """Groups by their own names, or by those of metrics."""
    group_of: dict[str, str] = {metric: facts.group for metric, facts in FACTS.items()}
    group_of |= {group: group for group in GROUPS}
    wanted = _split(words)
    for word in wanted:
        if word not in group_of:
            raise UsageError(f"--metrics {word}: there is no such metric.{did_you_mean(word, group_of)}")
    asked = {group_of[word] for word in wanted}
    return tuple(group for group in GROUPS if group in asked or group == "overlap")


def _parse_label_tolerances(texts: Sequence[str]) -> dict[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not name:
            raise UsageError(f"--label-tolerance {text}: expected the name of a label and mm, for example liver=2.")
        found[name] = (*found.get(name, ()), _require_positive(value, f"--label-tolerance {text}"))
    return found


def _require_positive(value: float, what: str) -> float:
    if not 0 < value < math.inf:
        raise UsageError(f"{what}: a tolerance is a number of mm above 0 (px without spacing).")
    return value


def _split(words: str) -> list[str]:
    return [word.strip() for word in words.split(",") if word.strip()]


def _print_report(report: Report, *, per_case: bool) -> None:
    from autoseg.evaluation.report_files import describe_report
    from autoseg.evaluation.tables import case_rows, label_rows, list_metrics, metric_rows

    if per_case:
        print_table(*case_rows(report), title="Per case and label")
    if len(report.summary) <= MOST_TABLES:
        for name in report.summary:
            print_table(*metric_rows(report, name), title=name)
    else:
        shown = [metric for metric in list_metrics(report) if metric.startswith(AT_A_GLANCE)]
        print_table(*label_rows(report, shown), title="Per label, over cases")
    for sentence in (*describe_report(report), report.definition):
        stdout.print(sentence, markup=False, soft_wrap=True)
