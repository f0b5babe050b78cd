"""A fair comparison of networks: the same plan, split, patches, budget and evaluation; only the network differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from autoseg.data.splits import ALL, Fold, Split, find_split, seed_fold
from autoseg.errors import UsageError
from autoseg.evaluation.comparing import Comparison, compare_all
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import Report
from autoseg.networks.build import NETWORKS, build_network
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.cascading import ensure_previous, list_previous
from autoseg.pipeline.folds import train_fold
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.preparing import ensure_preprocessed, ensure_splits, find_configurations, find_folds
from autoseg.pipeline.project import Project
from autoseg.pipeline.training import TrainingWishes, choose_length, count_workers
from autoseg.planning.choices import Length
from autoseg.planning.plan import Plan
from autoseg.planning.planner import replace_network
from autoseg.planning.wishes import Wishes
from autoseg.serialization import Record, did_you_mean, digest, write_json
from autoseg.workspace import Run


class MethodResult(Record):
    """One method: its scores beside its costs."""

    method: str
    mean_dice: float
    dice: dict[str, float]
    n_parameters: int
    n_iterations: int
    spent_s: float
    report: Report


class Benchmark(Record):
    """The result of a benchmark: what was equal for all, every method, and what the cases can tell apart."""

    configuration: str
    folds: tuple[int, ...]
    length: Length
    seed: int
    methods: tuple[MethodResult, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The conclusions in words."""
        return tuple(comparison.sentence for comparison in self.comparisons)

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Columns and rows, best method first."""
        labels = list(self.methods[0].dice)
        columns = ["method", *labels, "mean Dice", "parameters", "iterations", "s per iteration"]
        ranked = sorted(self.methods, key=lambda method: -method.mean_dice)
        rows = [
            [
                method.method,
                *method.dice.values(),
                method.mean_dice,
                method.n_parameters,
                method.n_iterations,
                method.spent_s / max(method.n_iterations, 1),
            ]
            for method in ranked
        ]
        return columns, rows


def compare_methods(
    project: Project,
    methods: Sequence[str],
    *,
    configuration: str | None = None,
    folds: Sequence[str] = ("0",),
    train_time_s: float | None = None,
    device: str = "auto",
    seed: int = 0,
) -> Benchmark:
    """Train every method on the same folds and compare them case by case.

    What a cascade learns from belongs to the project: folds of it that are missing are trained as `train` would train
    them, with the plan's own length, whatever the length of the benchmark.

    Raises:
        UsageError: a method, configuration or fold does not exist.
    """
    methods = list(dict.fromkeys(methods))
    if not methods:
        raise UsageError(f"--methods: names no network. Known: {', '.join(NETWORKS)}.")
    for method in methods:
        if method not in NETWORKS:
            raise UsageError(f"--methods: {method} is not known.{did_you_mean(method, NETWORKS)}")
    wishes = Wishes() if train_time_s is None else Wishes(train_time_s=train_time_s)
    plan = ensure_plan(project, wishes, device=device)
    (name,) = find_configurations(plan, (configuration,) if configuration else ())
    chosen = _find_scored_folds(ensure_splits(project, plan), folds)
    length = choose_length(plan, name, TrainingWishes(planning=wishes))
    results = tuple(_run_method(project, plan, name, method, chosen, length, device, seed) for method in methods)
    benchmark = Benchmark(
        configuration=name,
        folds=chosen,
        length=length,
        seed=seed,
        methods=results,
        comparisons=compare_all({result.method: result.report for result in results}) if len(results) > 1 else (),
    )
    write_json(project.workspace.benchmark / "report.json", benchmark)
    return benchmark


def _find_scored_folds(splits: Sequence[Split], wanted: Sequence[str]) -> tuple[int, ...]:
    folds = tuple(fold for fold in find_folds(splits, wanted) if fold != ALL)
    if ALL in wanted:
        raise UsageError("--fold all: validates no case, so that methods cannot be compared. Leave it out.")
    return folds


def _run_method(
    project: Project,
    plan: Plan,
    name: str,
    method: str,
    folds: Sequence[int],
    length: Length,
    device: str,
    seed: int,
) -> MethodResult:
    plan = replace_network(plan, name, method)
    settings = plan.find_configuration(name)
    stores = ensure_preprocessed(project, plan, list_previous(plan, [name]))
    splits = ensure_splits(project, plan)
    folder = project.workspace.benchmark / f"{method}-{digest([plan.training_digest(name), length, seed])}"

    def make_order(configuration: str, fold: Fold) -> FoldOrder:
        """Of the project's own runs."""
        return FoldOrder(
            plan=plan,
            configuration=configuration,
            fold=fold,
            split=find_split(splits, fold),
            store=stores[configuration],
            run=project.workspace.run(configuration, fold),
            length=plan.find_configuration(configuration).length.value,
            device=device,
            n_workers=count_workers(None),
            seed=seed_fold(TrainingWishes.seed, fold, len(splits)),
        )

    reports, facts = [], []
    for fold in folds:
        order = replace(make_order(name, fold), run=Run(folder / f"fold_{fold}"), length=length, seed=seed + fold)
        report = train_fold(project, ensure_previous(project, order, make_order))
        assert report is not None, "a fold of the cross-validation holds cases out"
        reports.append(report)
        facts.append(read_checkpoint(order.run.checkpoint).facts)
    pooled = make_report([case for report in reports for case in report.cases], plan.labels)
    n_inputs = settings.count_input_channels(len(plan.channels), plan.labels.n_labels)
    network = build_network(settings, n_inputs, plan.labels.n_outputs)
    return MethodResult(
        method=method,
        mean_dice=pooled.mean_dice,
        dice={label: metrics["dice"].mean for label, metrics in pooled.summary.items()},
        n_parameters=sum(parameter.numel() for parameter in network.parameters()),
        n_iterations=sum(fact["iterations"] for fact in facts),
        spent_s=sum(fact["spent_s"] for fact in facts),
        report=pooled,
    )
