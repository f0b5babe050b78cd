"""What has to be run for each method, where does it lie, and in which order?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoseg.machine import count_cores
from autoseg.pipeline.benchmarking.circumstances import observe
from autoseg.pipeline.benchmarking.executing import Task
from autoseg.pipeline.benchmarking.flooring import FloorRun
from autoseg.pipeline.benchmarking.grounds import CommonGround
from autoseg.pipeline.benchmarking.methods import Contender
from autoseg.pipeline.benchmarking.obeying import list_libraries, name_place
from autoseg.pipeline.benchmarking.predictions import PredictionsRun
from autoseg.pipeline.benchmarking.running import NetworkRun
from autoseg.pipeline.benchmarking.weighing import Weighed, explain, weigh_network
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.side_by_side import list_devices
from autoseg.pipeline.training import count_workers
from autoseg.serialization import to_plain
from autoseg.workspace import Run

NO_SEED = 0  # of floors and predictions, which draw no random numbers


@dataclass(frozen=True)
class Entrant:
    """A method that enters the comparison.

    Attributes:
        contender: the method.
        seeds: that it is run with.
        weighed: of a network that can be run.
        failure: why the method cannot be run at all.
    """

    contender: Contender
    seeds: tuple[int, ...] = (NO_SEED,)
    weighed: Weighed | None = None
    failure: str | None = None


def enter(ground: CommonGround, contender: Contender) -> Entrant:
    """Find out what it takes to run a method; one that cannot be run says why."""
    try:
        if contender.kind == "network":
            return Entrant(contender, ground.terms.seeds, weigh_network(ground, contender))
        return Entrant(contender)
    except Exception as problem:  # of whatever kind: a network may be another person's code
        return Entrant(contender, failure=explain(problem))


def list_tasks(ground: CommonGround, entrants: Sequence[Entrant], n_jobs: int) -> list[Task]:
    """All runs, methods taking turns within a fold and a seed."""
    seeds = dict.fromkeys((NO_SEED, *ground.terms.seeds))
    return [
        make_task(ground, entrant, fold, seed, n_jobs)
        for fold in ground.folds
        for seed in seeds
        for entrant in entrants
        if entrant.failure is None and seed in entrant.seeds
    ]


def make_task(ground: CommonGround, entrant: Entrant, fold: int, seed: int, n_jobs: int) -> Task:
    """A run of a method, when `n_jobs` share the machine."""
    place = name_place(ground, entrant.contender, entrant.weighed, n_jobs)
    run = ground.project.workspace.compared(place, seed, fold)
    return Task(entrant.contender.name, fold, seed, run, _make_function(ground, entrant, fold, seed, run, n_jobs))


def _make_function(
    ground: CommonGround, entrant: Entrant, fold: int, seed: int, run: Run, n_jobs: int
) -> Callable[[Reporter, int], None]:
    project = replace(ground.project, reporter=Reporter())  # who is told here cannot go along
    split, n_threads = ground.splits[fold], max(1, count_cores() // n_jobs)
    contender = entrant.contender
    if contender.folder is not None:
        folder = Path(contender.folder).resolve()
        return PredictionsRun(project, folder, fold, split.validation, run, n_threads)
    if entrant.weighed is None:
        return FloorRun(project, contender.name, to_plain(ground.plan), fold, split, run, n_threads)
    return NetworkRun(
        project=project,
        plan=to_plain(entrant.weighed.plan),
        configuration=ground.configuration,
        fold=fold,
        seed=seed,
        splits=ground.splits,
        run=run,
        store=ground.store,
        length=entrant.weighed.length,
        circumstances=observe(ground.terms.device, n_jobs, list_libraries(contender)),
        trial_length=entrant.weighed.trial_length,
        flops_per_case=entrant.weighed.flops_per_case[fold],
        previous=ground.previous[fold],
        group_of=ground.group_of,
        devices=list_devices(ground.terms.device),
        n_threads=n_threads,
        n_workers=divide_workers(n_jobs),
    )


def divide_workers(n_jobs: int) -> int:
    """Processes that make batches for each of so many runs at a time."""
    n_workers = count_workers(None)
    return n_workers if n_jobs == 1 else max(1, min(n_workers, count_cores() // n_jobs - 1))
