"""How are several folds trained at once on one machine? (`train --jobs`)

Everything that folds share is there before: plan, splits, preprocessed cases. Threads and workers are divided among the
folds, GPUs are dealt out in turn, and there are no more folds at a time than memory holds. A cascade waits for the
low-resolution folds that it learns from, which are trained side by side as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from autoseg.data.splits import Fold
from autoseg.errors import UsageError
from autoseg.evaluation.report import Report
from autoseg.machine import count_cores, measure_free_memory_bytes
from autoseg.networks.device import choose_device
from autoseg.pipeline.cascading import MakeOrder, ensure_previous, list_missing
from autoseg.pipeline.engines import settle_engine
from autoseg.pipeline.folds import make_job, train_fold
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.parallel import Call, run_in_parallel
from autoseg.pipeline.project import Project
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.sittings import Sitting
from autoseg.planning.devices import BYTES_PER_GB
from autoseg.planning.plan import Plan
from autoseg.serialization import to_plain
from autoseg.training.distributing import is_distributed

Reports = dict[tuple[str, Fold], Report | None]


@dataclass(frozen=True)
class TrainOne:
    """Train one fold in a process of its own.

    Attributes:
        project, order: what to train.
        devices: dealt out to the places that folds are trained at.
        n_threads: of torch.
    """

    project: Project
    order: FoldOrder
    devices: tuple[str, ...]
    n_threads: int

    def __reduce__(self) -> tuple[Any, ...]:
        """The plan goes along as plain data: its decisions are of classes that pickle cannot name."""
        rest = {one.name: getattr(self.order, one.name) for one in fields(self.order) if one.name != "plan"}
        return _unpack, (self.project, to_plain(self.order.plan), rest, self.devices, self.n_threads)

    def __call__(self, reporter: Reporter, place: int) -> Report | None:
        torch.set_num_threads(self.n_threads)
        order = replace(self.order, device=self.devices[place % len(self.devices)])
        return train_fold(replace(self.project, reporter=reporter), order)


def _unpack(
    project: Project, plan: dict[str, Any], rest: dict[str, Any], devices: tuple[str, ...], n_threads: int
) -> TrainOne:
    return TrainOne(project, FoldOrder(plan=Plan.model_validate(plan), **rest), devices, n_threads)


def train_side_by_side(
    project: Project, orders: Sequence[FoldOrder], make_order: MakeOrder, *, n_jobs: int, n_workers: int | None = None
) -> Reports:
    """Train and validate folds, `n_jobs` at a time or as many as memory holds.

    Args:
        orders: of folds; one of a cascade needs no previous segmentations yet.
        make_order: the order for a fold of another configuration, for what a cascade learns from.
        n_workers: processes that make batches for each fold; None divides the cores.

    Returns:
        The report of every order, None for a fold that holds no case out.

    Raises:
        UsageError: torchrun started several processes for each fold already.
        AutosegError: a fold failed; the others were trained.
    """
    if is_distributed():
        raise UsageError("--jobs trains folds side by side, torchrun one fold with several processes. Use one of them.")
    n_jobs = _limit_jobs(project, orders, n_jobs)
    first = [order for order in orders if order.settings.cascade is None]
    cascades = [order for order in orders if order.settings.cascade is not None]
    known = {_name(order) for order in first}
    before = {_name(order): order for cascade in cascades for order in list_missing(project, cascade, make_order)}
    before = {name: order for name, order in before.items() if name not in known}
    reports = _train(project, [*first, *before.values()], n_jobs, n_workers)
    ready = [ensure_previous(project, order, make_order) for order in cascades]
    reports |= _train(project, ready, n_jobs, n_workers)
    return {_name(order): reports[_name(order)] for order in orders}


def count_fitting(n_jobs: int, *, memory_gb: float, free_gb: Sequence[float]) -> int:
    """How many trainings fit at once, at least one, where device after device takes its turn.

    Args:
        n_jobs: as many as were asked for.
        memory_gb: predicted peak of one training.
        free_gb: free memory of each device.
    """
    n_each = min(int(free / memory_gb) for free in free_gb)
    return max(1, min(n_jobs, n_each * len(free_gb)))


def list_devices(name: str) -> tuple[str, ...]:
    """The devices that a name stands for: every GPU for `auto` and `cuda`, if there are any; else the one it names."""
    device = choose_device(name)
    if str(device) == "cuda":
        return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    return (str(device),)


def _limit_jobs(project: Project, orders: Sequence[FoldOrder], n_jobs: int) -> int:
    """As many jobs as were asked for, or as fit into the memory that is free; the difference is told."""
    if not orders:
        return 1
    free_gb = [_measure_free_gb(device) for device in list_devices(orders[0].device)]
    memory_gb = max(order.settings.memory_gb.value for order in orders)
    n_fitting = count_fitting(n_jobs, memory_gb=memory_gb, free_gb=free_gb)
    if n_fitting < n_jobs:
        where = f" on each of {len(free_gb)} GPUs" if len(free_gb) > 1 else ""
        project.reporter.warn(
            f"--jobs {n_jobs}: a training takes {memory_gb:.2f} GB, and {min(free_gb):.2f} GB are free{where}. "
            f"Training {n_fitting} at a time; a plan for less (`autoseg plan --gpu-memory`) lets more train at once."
        )
    return n_fitting


def _measure_free_gb(device: str) -> float:
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0] / BYTES_PER_GB
    return measure_free_memory_bytes() / BYTES_PER_GB


def _train(project: Project, orders: Sequence[FoldOrder], n_jobs: int, n_workers: int | None) -> Reports:
    if not orders:
        return {}
    n_jobs = min(n_jobs, len(orders))
    if n_jobs == 1:
        return {_name(order): train_fold(project, order) for order in orders}
    for order in orders:  # here, where nothing else runs, and once
        settle_engine(project, make_job(project, order, Sitting(order.length, None, "")))
    n_cores = max(1, count_cores() // n_jobs)
    devices = list_devices(orders[0].device)
    silent = replace(project, reporter=Reporter())  # who is told here cannot go along
    calls = [
        Call(
            f"{order.configuration} fold {order.fold}",
            TrainOne(silent, replace(order, n_workers=_divide_workers(order, n_cores, n_workers)), devices, n_cores),
        )
        for order in orders
    ]
    project.reporter.say(
        f"Training {len(orders)} folds, {n_jobs} at a time, each with {n_cores} of {count_cores()} cores"
        + (f", on {', '.join(devices)} in turn." if len(devices) > 1 else ".")
    )
    title = f"Training {len(orders)} folds"
    reports = run_in_parallel(calls, n_jobs=n_jobs, title=title, reporter=project.reporter)
    return {_name(order): report for order, report in zip(orders, reports, strict=True)}


def _divide_workers(order: FoldOrder, n_cores: int, wanted: int | None) -> int:
    return max(1, min(order.n_workers, n_cores - 1)) if wanted is None else wanted


def _name(order: FoldOrder) -> tuple[str, Fold]:
    return order.configuration, order.fold
