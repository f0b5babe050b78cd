"""`benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import AsJson, DatasetFolder, Device, Folds, TrainTime, Variant, WorkspaceFolder
from autoseg.cli.threads import choose_waiting

if TYPE_CHECKING:
    from autoseg.evaluation.benchmark import Benchmark, MethodResult

LARGEST_SEED = 2**31 - 1


def benchmark(
    dataset: DatasetFolder,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--methods",
            metavar="NAMES",
            help="Networks and floors (threshold, mean_shape), separated by commas; my_package:MyNet is a network of "
            "your own. Repeat it for more. [default: unet,residual_unet,mean_shape]",
            show_default=False,
        ),
    ] = None,
    predictions: Annotated[
        list[str] | None,
        typer.Option(
            "--predictions",
            metavar="NAME=FOLDER",
            help="Segmentations by another system or reader, one file per case; repeat it for several.",
            show_default=False,
        ),
    ] = None,
    fold: Folds = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", metavar="N", min=1, help="Seeds 0 to N-1, instead of --seed.", show_default=False),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            "--seed",
            metavar="S",
            min=0,
            max=LARGEST_SEED,
            help="Of weights and batches, the same for every method; repeat it for several. [default: 0]",
            show_default=False,
        ),
    ] = None,
    train_time: TrainTime = None,
    iterations: Annotated[
        int | None,
        typer.Option("--iterations", metavar="N", min=1, help="Budget in iterations.", show_default=False),
    ] = None,
    flops: Annotated[
        float | None,
        typer.Option(
            "--flops",
            metavar="N",
            help="Budget in floating point operations of training, a plain number: 1e14. Exactly one budget is given.",
            show_default=False,
        ),
    ] = None,
    learning_rate: Annotated[
        str,
        typer.Option(
            "--learning-rate",
            metavar="RATE",
            help="fixed (the plan's), a number for all, or search: the same few short trials for every method, on "
            "training cases, out of its budget.",
        ),
    ] = "fixed",
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, help="Runs side by side, as far as memory bears.")
    ] = 1,
    configuration: Annotated[
        str | None,
        typer.Option("--configuration", metavar="NAME", help="[default: the plan's first choice]", show_default=False),
    ] = None,
    device: Device = "auto",
    resume: Annotated[
        bool,
        typer.Option("--resume/--restart", help="Keep what was run before, or run everything anew."),
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder of report.html, report.md, results.csv and report.json. [default: <workspace>/benchmark]",
            show_default=False,
        ),
    ] = None,
    workspace: WorkspaceFolder = None,
    variant: Variant = None,
    as_json: AsJson = False,
) -> None:
    """Compare methods fairly: one plan, one split, one budget, one evaluation, paired statistics, and a page.

    What was run before is kept: the same command again runs what is missing and writes the page. The exit code is 1
    where no method has a result.
    """
    choose_waiting()
    from autoseg.pipeline.benchmarking.comparing import compare_contenders
    from autoseg.pipeline.benchmarking.methods import DEFAULT_METHODS, parse_methods, parse_predictions
    from autoseg.pipeline.benchmarking.terms import choose_seeds, parse_learning_rate, settle_terms
    from autoseg.pipeline.project import open_project

    terms = settle_terms(
        train_time_s=train_time,
        n_iterations=iterations,
        flops=flops,
        configuration=configuration,
        folds=tuple(fold or ("0",)),
        seeds=choose_seeds(n_seeds=seeds, seeds=tuple(seed or ())),
        learning_rate=parse_learning_rate(learning_rate),
        device=device,
        n_jobs=jobs,
        restart=not resume,
    )
    contenders = parse_methods(methods or DEFAULT_METHODS, parse_predictions(predictions or []))
    reporter = TerminalReporter()
    project = open_project(dataset, workspace=workspace, variant=variant, reporter=reporter)
    compared = compare_contenders(project, contenders, terms, output)
    for one in compared.methods:
        if one.failure is not None:
            reporter.warn(f"{one.name} has no result: {one.failure}")
    if as_json:
        print_json(compared)
    else:
        _show(compared, (output or project.workspace.benchmark) / "report.html")
    if not compared.scored:
        raise typer.Exit(1)


def _show(compared: Benchmark, page: Path) -> None:
    print_table(*_make_table(compared), title=f"{compared.dataset}, {compared.configuration}: {compared.budget} each")
    for sentence in _list_sentences(compared):
        stdout.print(sentence, markup=False, soft_wrap=True)
    stdout.print(str(page), markup=False, soft_wrap=True)


def _make_table(compared: Benchmark) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows, best method first; what has no result comes last and says why."""
    scored = compared.scored
    labels = list(scored[0].pooled.summary) if scored and scored[0].pooled is not None else []
    columns = [
        "method",
        *labels,
        "mean Dice",
        "over seeds",
        "parameters",
        "s per iteration",
        "training GB",
        "s per case",
    ]
    failed = [method for method in compared.methods if method.pooled is None]
    rows = [_make_row(method, labels) for method in (*scored, *failed)]
    if not failed:
        return columns, rows
    reasons = [method.failure or "" for method in (*scored, *failed)]
    return [*columns, "no result because"], [[*row, reason] for row, reason in zip(rows, reasons, strict=True)]


def _make_row(method: MethodResult, labels: list[str]) -> list[Any]:
    pooled, costs = method.pooled, method.costs
    dices = [None if pooled is None else pooled.summary[label]["dice"].mean for label in labels]
    spent: list[Any] = (
        [costs.n_parameters, costs.s_per_iteration, costs.training_memory_gb, costs.s_per_case] if costs else []
    )
    return [method.name, *dices, method.mean_dice, method.seed_spread, *(spent or [None] * 4)]


def _list_sentences(compared: Benchmark) -> list[str]:
    """The best method against each other one, the ranking, and what could have been shown; the page has every pair."""
    best = compared.scored[0].name if compared.scored else ""
    told = [one.sentence for one in compared.comparisons if best in (one.one, one.other)]
    n_left = len(compared.comparisons) - len(told)
    rest = [f"The page compares the other {n_left} pairs."] if n_left > 1 else []
    ranking = [compared.ranking.sentence] if compared.ranking is not None else []
    last = [compared.smallest_difference] if compared.smallest_difference else []
    return [*told, *rest, *ranking, *last]
