"""The `benchmark` verb: the same data, splits, patches, budget and evaluation for every method, and then statistics.

The same command again runs what is missing and nothing else, and writes the page anew.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoseg.errors import AutosegError
from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.evaluation.comparing import compare_all
from autoseg.evaluation.detectable import find_smallest_difference
from autoseg.evaluation.ranking import rank_methods
from autoseg.evaluation.report import Report
from autoseg.pipeline.benchmarking.entering import Entrant, enter, list_tasks
from autoseg.pipeline.benchmarking.executing import Task, choose_jobs, run_tasks
from autoseg.pipeline.benchmarking.fairness import list_differing, list_settings, phrase_equal, phrase_learning_rate
from autoseg.pipeline.benchmarking.gathering import gather_method
from autoseg.pipeline.benchmarking.grounds import CommonGround, find_common_ground
from autoseg.pipeline.benchmarking.methods import DEFAULT_METHODS, parse_methods
from autoseg.pipeline.benchmarking.pictures import draw_cases
from autoseg.pipeline.benchmarking.predictions import find_predictions
from autoseg.pipeline.benchmarking.records import FinishedRun, read_finished
from autoseg.pipeline.benchmarking.reproducing import describe_machine, phrase_command
from autoseg.pipeline.benchmarking.terms import LearningRate, Terms, choose_budget, refuse_unscored_folds
from autoseg.pipeline.project import Project
from autoseg.planning.plan import FORECASTS
from autoseg.publishing.overlays import MethodOverlay
from autoseg.publishing.page import write_page
from autoseg.serialization import write_json

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
        output: folder of the page; the workspace's `benchmark` by default.

    Returns:
        Every method with its runs, also those that failed, and what the cases can tell apart.

    Raises:
        UsageError: a method, configuration or fold does not exist, or there is not one budget.
    """
    refuse_unscored_folds(tuple(folds))
    contenders = parse_methods(methods, predictions or {})
    terms = Terms(
        budget=choose_budget(train_time_s=train_time_s, n_iterations=n_iterations, flops=flops),
        configuration=configuration,
        folds=tuple(folds),
        seeds=tuple(seeds),
        learning_rate=learning_rate,
        device=device,
        n_jobs=n_jobs,
        restart=restart,
    )
    ground = find_common_ground(project, terms)
    entrants = [enter(ground, contender) for contender in contenders]
    for entrant in entrants:
        if entrant.failure is not None:
            project.reporter.warn(f"{entrant.contender.name} cannot be run, the others are: {entrant.failure}")
    n_jobs = _choose_jobs(ground, entrants)
    tasks = list_tasks(ground, entrants, n_jobs)
    failures = run_tasks(project, tasks, n_jobs, restart=restart)
    finished = _read_all(tasks)
    results = _gather(ground, entrants, finished, failures)
    benchmark = _compare(ground, entrants, results, finished, n_jobs)
    place = output or project.workspace.benchmark
    write_json(place / "report.json", benchmark)
    overlays = _draw(ground, entrants, results, tasks)
    write_page(benchmark, place, overlays=overlays, label_names=project.dataset.labels.names)
    project.reporter.say(f"The comparison: {place / 'report.html'}")
    return benchmark


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
    reports = {result.name: result.pooled for result in results if result.pooled is not None}
    terms, statistics = ground.terms, _compare_reports(reports, ground.fold_of)
    contenders = [entrant.contender for entrant in entrants]
    days = [one.ended for runs in finished.values() for one in runs]
    return Benchmark(
        dataset=ground.project.dataset.name,
        configuration=ground.configuration,
        folds=ground.folds,
        seeds=terms.seeds,
        budget=terms.budget.words,
        learning_rate=phrase_learning_rate(ground.settings, terms.learning_rate),
        equal=tuple(phrase_equal(ground.plan, ground.configuration, terms, ground.chosen, n_jobs)),
        machine=describe_machine(ground, n_jobs),
        command=phrase_command(ground.project, contenders, terms, ground.folds),
        date=max(days, default=datetime.date.today().isoformat()),
        fold_of=ground.fold_of,
        methods=tuple(results),
        **statistics,
    )


def _compare_reports(reports: Mapping[str, Report], fold_of: Mapping[str, int]) -> dict[str, Any]:
    """What the cases can tell apart; nothing for fewer than two methods with results."""
    if len(reports) < 2:
        return {}
    return {
        "comparisons": compare_all(reports, fold_of=fold_of),
        "ranking": rank_methods(reports, fold_of=fold_of),
        "smallest_difference": find_smallest_difference(reports, fold_of=fold_of)[1],
    }


def _draw(
    ground: CommonGround, entrants: Sequence[Entrant], results: Sequence[MethodResult], tasks: Sequence[Task]
) -> list[MethodOverlay]:
    overlays: list[MethodOverlay] = []
    for entrant, result in zip(entrants, results, strict=True):
        if result.pooled is None:
            continue
        files = _find_files(ground, entrant, tasks)
        try:
            overlays += draw_cases(ground.project, result, files)
        except AutosegError as problem:  # a file that was spoilt since: the page is written without it
            ground.project.reporter.warn(f"{result.name}: no pictures ({problem})")
    return overlays


def _find_files(ground: CommonGround, entrant: Entrant, tasks: Sequence[Task]) -> dict[str, Path]:
    """What a method predicted, by case; of several seeds by the first."""
    contender = entrant.contender
    if contender.folder is not None:
        return find_predictions(contender.folder)
    ending = ground.project.dataset.file_ending
    runs = {task.fold: task.run for task in reversed(tasks) if task.method == contender.name}
    return {case_id: runs[fold].validation / f"{case_id}{ending}" for case_id, fold in ground.fold_of.items()}
