"""What has to be run for each method, where does it lie, and in which order?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoseg.data.freshness import digest_listing
from autoseg.machine import count_cores
from autoseg.pipeline.benchmarking.executing import Task
from autoseg.pipeline.benchmarking.flooring import FloorRun
from autoseg.pipeline.benchmarking.grounds import CommonGround
from autoseg.pipeline.benchmarking.methods import Contender
from autoseg.pipeline.benchmarking.predictions import PredictionsRun
from autoseg.pipeline.benchmarking.running import NetworkRun
from autoseg.pipeline.benchmarking.weighing import Weighed, explain, weigh_network
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.side_by_side import list_devices
from autoseg.pipeline.training import count_workers
from autoseg.planning.plan import list_obeyed
from autoseg.serialization import digest, to_plain
from autoseg.workspace import Run

FLOOR_MEMORY_GB = 1.0  # a few copies of the largest images that are common; what networks hold is forecast instead
NO_SEED = 0  # of floors and predictions, which draw no random numbers


@dataclass(frozen=True)
class Entrant:
    """A method that enters the comparison.

    Attributes:
        contender: the method.
        folder: name of the folder of its runs.
        seeds: that it is run with.
        weighed: of a network that can be run.
        failure: why the method cannot be run at all.
    """

    contender: Contender
    folder: str = ""
    seeds: tuple[int, ...] = (NO_SEED,)
    weighed: Weighed | None = None
    failure: str | None = None


def enter(ground: CommonGround, contender: Contender) -> Entrant:
    """Find out what it takes to run a method; one that cannot be run says why."""
    try:
        if contender.kind == "network":
            weighed = weigh_network(ground, contender)
            return Entrant(contender, weighed.folder, ground.terms.seeds, weighed)
        return Entrant(contender, f"{contender.file_name}-{_digest_entrant(ground, contender)}")
    except Exception as problem:  # of whatever kind: a network may be another person's code
        return Entrant(contender, failure=explain(problem))


def _digest_entrant(ground: CommonGround, contender: Contender) -> str:
    """Names what a floor or predictions follow from."""
    if contender.folder is not None:
        nowhere = contender.folder / ".left_out"
        return digest([digest_listing(contender.folder, leave_out=nowhere), ground.case_digest])
    return digest([list_obeyed(ground.plan.normalization), to_plain(ground.plan.labels), ground.case_digest])


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
    run = ground.project.workspace.compared(entrant.folder, seed, fold)
    memory_gb = FLOOR_MEMORY_GB if entrant.weighed is None else entrant.weighed.memory_gb
    function = _make_function(ground, entrant, fold, seed, run, n_jobs)
    return Task(entrant.contender.name, fold, seed, run, function, memory_gb)


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
        trial_length=entrant.weighed.trial_length,
        flops_per_case=entrant.weighed.flops_per_case[fold],
        previous=ground.previous[fold],
        devices=list_devices(ground.terms.device),
        n_threads=n_threads,
        n_workers=divide_workers(n_jobs),
    )


def divide_workers(n_jobs: int) -> int:
    """Processes that make batches for each of so many runs at a time."""
    n_workers = count_workers(None)
    return n_workers if n_jobs == 1 else max(1, min(n_workers, count_cores() // n_jobs - 1))
