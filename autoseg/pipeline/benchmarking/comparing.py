"""The `benchmark` verb: the same data, splits, patches, budget and evaluation for every method, and then statistics.

The same command again runs what is missing and nothing else, and writes the page anew.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.evaluation.comparing import compare_all
from autoseg.evaluation.detectable import find_smallest_difference
from autoseg.evaluation.ranking import rank_methods
from autoseg.pipeline.benchmarking.circumstances import observe
from autoseg.pipeline.benchmarking.entering import Entrant, enter, list_tasks
from autoseg.pipeline.benchmarking.executing import Task, choose_jobs, holding_benchmark, list_waiting, run_tasks
from autoseg.pipeline.benchmarking.fairness import list_differing, list_settings, phrase_equal, phrase_learning_rate
from autoseg.pipeline.benchmarking.gathering import gather_method
from autoseg.pipeline.benchmarking.grounds import CommonGround, find_common_ground
from autoseg.pipeline.benchmarking.keeping import draw_all, find_folder, keep, refuse_foreign
from autoseg.pipeline.benchmarking.methods import DEFAULT_METHODS, Contender, parse_methods
from autoseg.pipeline.benchmarking.records import FinishedRun, read_finished
from autoseg.pipeline.benchmarking.reproducing import describe_machine, phrase_command, phrase_differences
from autoseg.pipeline.benchmarking.running import NetworkRun, settle_once
from autoseg.pipeline.benchmarking.searching import phrase_edges
from autoseg.pipeline.benchmarking.terms import LearningRate, Terms, settle_terms
from autoseg.pipeline.project import Project
from autoseg.planning.plan import FORECASTS

Finished = Mapping[str, Sequence[FinishedRun]]  # by the method's name


def compare_methods(
    project: Project,
    methods: Sequence[str] = DEFAULT_METHODS,
    *,
    predictions: Mapping[str, Path] | None = None,
    configuration: str | None = None,
    folds: Sequence[str] = ("0",),
    seeds: Sequence[int] = (0,),
    train_time_s: float | None = None,
    n_iterations: int | None = None,
    flops: float | None = None,
    learning_rate: LearningRate = "fixed",
    device: str = "auto",
    n_jobs: int = 1,
    restart: bool = False,
    output: Path | None = None,
) -> Benchmark:
    """Run every method on the same folds with the same budget and compare them case by case.

    Args:
        methods: names of networks and floors, or dotted paths of networks of one's own.
        predictions: folders of segmentations from elsewhere, by name.
        configuration: of the plan; its first choice by default.
        folds, seeds: every method is trained with each of both.
        train_time_s, n_iterations, flops: the budget of each training; exactly one of them.
        learning_rate: `fixed` as the plan has it, a number for all, or `search`.
        device: where networks train.
        n_jobs: runs side by side, as far as memory bears.
        restart: do everything anew.
        output: folder of the page; by default the workspace's `benchmark`, and there also a folder of its own.

    Returns:
        Every method with its runs, also those that failed, and what the cases can tell apart.

    Raises:
        UsageError: a method, configuration or fold does not exist, there is not one budget, or `output` holds
            another report.
        WorkspaceError: another comparison is running in this workspace.
    """
    terms = settle_terms(
        train_time_s=train_time_s,
        n_iterations=n_iterations,
        flops=flops,
        configuration=configuration,
        folds=tuple(folds),
        seeds=tuple(seeds),
        learning_rate=learning_rate,
        device=device,
        n_jobs=n_jobs,
        restart=restart,
    )
    return compare_contenders(project, parse_methods(methods, predictions or {}), terms, output)


def compare_contenders(
    project: Project, contenders: Sequence[Contender], terms: Terms, output: Path | None = None
) -> Benchmark:
    """The same for methods that are known and terms that are valid.

    Raises:
        WorkspaceError: another comparison is running in this workspace.
        UsageError: a configuration or fold does not exist, or `output` holds another report.
    """
    refuse_foreign(output)
    with holding_benchmark(project.workspace):
        ground = find_common_ground(project, terms)
        entrants = _enter_all(ground, contenders)
        n_jobs = _choose_jobs(ground, entrants)
        tasks = list_tasks(ground, entrants, n_jobs)
        failures = _run(ground, tasks, n_jobs)
        finished = _read_all(tasks)
        results = _gather(ground, entrants, finished, {**_list_missing(tasks, finished), **failures})
        benchmark = _compare(ground, entrants, results, finished, n_jobs)
        own = find_folder(ground, [contender.name for contender in contenders], tasks)
        keep(project, benchmark, own, output, draw_all(ground, entrants, results, tasks))
    return benchmark


def _enter_all(ground: CommonGround, contenders: Sequence[Contender]) -> list[Entrant]:
    entrants = [enter(ground, contender) for contender in contenders]
    for one in entrants:
        if one.failure is not None:
            ground.project.reporter.warn(f"{one.contender.name} cannot be run, the others are: {one.failure}")
    return entrants


def _run(ground: CommonGround, tasks: Sequence[Task], n_jobs: int) -> dict[str, str]:
    """Run what is missing. Returns why methods failed, by name."""
    waiting = list(tasks) if ground.terms.restart else list_waiting(tasks)
    settle_once(ground.project, [task.function for task in waiting if isinstance(task.function, NetworkRun)])
    return run_tasks(ground.project, tasks, n_jobs, restart=ground.terms.restart)


def _choose_jobs(ground: CommonGround, entrants: Sequence[Entrant]) -> int:
    memory_gb = max((one.weighed.memory_gb for one in entrants if one.weighed is not None), default=0.0)
    return choose_jobs(ground.project, ground.terms.n_jobs, memory_gb, ground.terms.device)


def _read_all(tasks: Sequence[Task]) -> Finished:
    finished: dict[str, list[FinishedRun]] = {}
    for task in tasks:
        one = read_finished(task.run)
        if one is not None:
            finished.setdefault(task.method, []).append(one)
    return finished


def _list_missing(tasks: Sequence[Task], finished: Finished) -> dict[str, str]:
    """Methods with fewer results than runs, and which are missing: their cases are not those of the others."""
    there = {(name, one.result.fold, one.result.seed) for name, runs in finished.items() for one in runs}
    missing: dict[str, list[str]] = {}
    for task in tasks:
        if (task.method, task.fold, task.seed) not in there:
            missing.setdefault(task.method, []).append(task.which)
    again = "The same command runs what is missing."
    return {method: f"no result that can be read of {'; '.join(which)}. {again}" for method, which in missing.items()}


def _gather(
    ground: CommonGround, entrants: Sequence[Entrant], finished: Finished, failures: Mapping[str, str]
) -> list[MethodResult]:
    settings = {
        one.contender.name: list_settings(one.weighed.plan.find_configuration(ground.configuration))
        for one in entrants
        if one.weighed is not None
    }
    differing = list_differing(settings, (*FORECASTS, "network"))
    results = []
    for entrant in entrants:
        contender = entrant.contender
        result = gather_method(
            contender,
            finished.get(contender.name, ()),
            ground.plan.labels,
            failure=entrant.failure or failures.get(contender.name),
            costs=None if entrant.weighed is None else entrant.weighed.costs,
        )
        own = settings.get(contender.name, {})
        words = {key: str(own.get(key)) for key in differing if own}
        if edges := phrase_edges(result.runs):
            words["learning rate"] = edges
        if contender.differs:
            words["from the publication"] = contender.differs
        results.append(result.model_copy(update={"configuration": own, "differs": words}))
    return results


def _compare(
    ground: CommonGround,
    entrants: Sequence[Entrant],
    results: Sequence[MethodResult],
    finished: Finished,
    n_jobs: int,
) -> Benchmark:
    terms, contenders = ground.terms, [entrant.contender for entrant in entrants]
    days = [one.ended for runs in finished.values() for one in runs]
    met = [one.circumstances for runs in finished.values() for one in runs if one.circumstances is not None]
    met = met or [observe(terms.device, n_jobs)]
    if differences := phrase_differences(met):
        ground.project.reporter.warn(differences)
    return Benchmark(
        dataset=ground.project.dataset.name,
        configuration=ground.configuration,
        folds=ground.folds,
        seeds=terms.seeds,
        budget=terms.budget.words,
        learning_rate=phrase_learning_rate(ground.settings, terms.learning_rate),
        equal=tuple(_list_equal(ground, entrants, max(one.n_jobs for one in met))),
        machine=describe_machine(met),
        command=phrase_command(ground.project, contenders, terms, ground.folds),
        date=max(days, default=datetime.date.today().isoformat()),
        fold_of=ground.fold_of,
        methods=tuple(results),
        **_compare_results(results, ground.fold_of),
    )


def _list_equal(ground: CommonGround, entrants: Sequence[Entrant], n_jobs: int) -> list[str]:
    outside = [one.contender.name for one in entrants if one.contender.kind == "predictions"]
    n_heads = {
        one.contender.name: len(one.weighed.costs.output_shapes)
        for one in entrants
        if one.weighed is not None and one.weighed.costs is not None
    }
    return phrase_equal(
        ground.plan, ground.configuration, ground.terms, ground.chosen, n_jobs, outside=outside, n_heads=n_heads
    )


def _compare_results(results: Sequence[MethodResult], fold_of: Mapping[str, int]) -> dict[str, Any]:
    """What the cases can tell apart; nothing for fewer than two methods with results.

    Floors differ from everything by far: what these cases could show is asked of the other methods alone.
    """
    reports = {result.name: result.pooled for result in results if result.pooled is not None}
    if len(reports) < 2:
        return {}
    floors = {result.name for result in results if result.kind == "floor"}
    competing = {name: report for name, report in reports.items() if name not in floors}
    return {
        "comparisons": compare_all(reports, fold_of=fold_of),
        "ranking": rank_methods(reports, fold_of=fold_of),
        "smallest_difference": find_smallest_difference(competing, fold_of=fold_of)[1],
    }
