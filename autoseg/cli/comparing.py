"""`evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.metric_options import parse_metric_options, split_words
from autoseg.cli.options import AsJson
from autoseg.evaluation.options import GROUPS

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
    boundary_width: Annotated[
        float | None,
        typer.Option(
            "--boundary-width",
            metavar="MM",
            help="How far from its surface a boundary reaches, for the boundary IoU (px without spacing). [default: 2% "
            "of the image's diagonal]",
            show_default=False,
        ),
    ] = None,
    lesion_iou: Annotated[
        float | None,
        typer.Option(
            "--lesion-iou",
            metavar="SHARE",
            help="The least intersection over union at which a lesion counts as found, 0..1. [default: 0.1]",
            show_default=False,
        ),
    ] = None,
    min_lesion_volume: Annotated[
        float | None,
        typer.Option(
            "--min-lesion-volume",
            metavar="ML",
            min=0,
            help="Smaller lesions do not count; all do in images without spacing. [default: 0]",
            show_default=False,
        ),
    ] = None,
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
    from autoseg.evaluation.tables import name_report_unit

    options = parse_metric_options(
        metrics,
        tolerances=tolerance,
        label_tolerances=label_tolerance,
        boundary_width=boundary_width,
        lesion_iou=lesion_iou,
        min_lesion_volume_ml=min_lesion_volume,
        tubular=tubular,
        with_probabilities=probabilities is not None,
    )
    if output is not None:
        refuse_other_endings(output)
    reporter = TerminalReporter()
    with reporter.follow("Evaluating", 1.0) as advance:
        report = evaluate_folders(
            reference,
            predicted,
            case_ids=None if cases is None else split_words(cases),
            options=options,
            probabilities=probabilities,
            n_jobs=jobs,
            on_progress=lambda done, total: advance(done / total, ""),
        )
    if options.min_lesion_volume_ml and "px" in name_report_unit(report):
        reporter.warn("--min-lesion-volume: without spacing no volume is known, and all lesions of such cases count.")
    files = [] if output is None else write_report(output, report)
    if as_json:
        print_json(report)
        return
    _print_report(report, per_case=per_case)
    for file in files:
        stdout.print(str(file), markup=False, soft_wrap=True)


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
