"""The `train` verb: plan and preprocess what is missing, then train the folds that were asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from autoseg.data.splits import Fold, find_split, seed_fold
from autoseg.evaluation.report import Report
from autoseg.machine import count_cores
from autoseg.networks.device import choose_device
from autoseg.pipeline.cascading import MakeOrder, ensure_previous, list_previous
from autoseg.pipeline.folds import train_fold
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.preparing import ensure_preprocessed, ensure_splits, find_configurations, find_folds
from autoseg.pipeline.project import Project
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.side_by_side import train_side_by_side
from autoseg.pipeline.watching import Tracking
from autoseg.planning.blueprint import ITERATIONS_PER_EPOCH
from autoseg.planning.choices import Length
from autoseg.planning.plan import Plan
from autoseg.planning.wishes import Wishes
from autoseg.training.distributing import count_local_processes, first_alone, is_first, joining, wait_for_all

MAX_WORKERS = 12  # beyond this, batches are made faster than any single GPU takes them


@dataclass(frozen=True)
class TrainingWishes:
    """What a person asked `train` for.

    Attributes:
        planning: budget and network, for a plan that is still to be made, and the length of training.
        configurations, folds: names, and numbers or `all`; the plan's first choice and every fold if empty.
        n_iterations: a length in iterations, instead of one in `planning`.
        n_jobs: folds that are trained side by side.
        extra, device, restart, n_workers, seed, pretrained, tracking: see `folds.FoldOrder`.
    """

    planning: Wishes = field(default_factory=Wishes)
    configurations: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()
    n_iterations: int | None = None
    extra: Length | None = None
    device: str = "auto"
    restart: bool = False
    n_workers: int | None = None
    n_jobs: int = 1
    seed: int = 0
    pretrained: Path | None = None
    tracking: Tracking = field(default_factory=Tracking)


def train_folds(project: Project, wishes: TrainingWishes) -> dict[tuple[str, Fold], Report]:
    """Train and validate folds. Returns the validation report of each configuration and fold that holds cases out.

    A fold of a cascade needs the low-resolution folds that held its cases out: the missing ones are trained first.
    Processes that torchrun started train every fold together; the first of them plans, writes and speaks.

    Raises:
        UsageError: a configuration or a fold does not exist.
        WorkspaceError, PlanError, DatasetError, ResourceError: see the steps.
    """
    with joining():
        project = project if is_first() else replace(project, reporter=Reporter())
        orders, make_order = _order_folds(project, wishes)
        if wishes.n_jobs > 1:
            n_jobs, n_workers = wishes.n_jobs, wishes.n_workers
            reports = train_side_by_side(project, orders, make_order, n_jobs=n_jobs, n_workers=n_workers)
        else:
            reports = {
                (order.configuration, order.fold): train_fold(project, ensure_previous(project, order, make_order))
                for order in orders
            }
        wait_for_all()
    return {key: report for key, report in reports.items() if report is not None}


def _order_folds(project: Project, wishes: TrainingWishes) -> tuple[list[FoldOrder], MakeOrder]:
    """What is to be trained, and how another fold would be ordered; plan, splits and preprocessed cases are there."""
    n_workers = count_workers(wishes.n_workers)
    with first_alone():
        plan = ensure_plan(project, wishes.planning, device=wishes.device)
        warn_of_other_device(project, plan, wishes.device)
        names = find_configurations(plan, wishes.configurations)
        names = tuple(
            name for name in list_previous(plan, names) if name in names
        )  # a cascade after what it learns from
        splits = ensure_splits(project, plan)
        folds = find_folds(splits, wishes.folds)
        stores = ensure_preprocessed(project, plan, list_previous(plan, names))

    def make_order(name: str, fold: Fold) -> FoldOrder:
        return FoldOrder(
            plan=plan,
            configuration=name,
            fold=fold,
            split=find_split(splits, fold),
            store=stores[name],
            run=project.workspace.run(name, fold),
            length=choose_length(plan, name, wishes),
            extra=wishes.extra,
            device=wishes.device,
            n_workers=n_workers,
            restart=wishes.restart,
            seed=seed_fold(wishes.seed, fold, len(splits)),
            pretrained=wishes.pretrained,
            tracking=wishes.tracking,
        )

    return [make_order(name, fold) for name in names for fold in folds], make_order


def warn_of_other_device(project: Project, plan: Plan, device: str) -> None:
    """Say so if training runs elsewhere than the plan was made for."""
    planned, there = plan.budget.device.value, choose_device(device).type
    if there != planned:
        project.reporter.warn(
            f"The plan is for {planned}, but training runs on {there}. Run `autoseg plan --device {there}`."
        )


def choose_length(plan: Plan, configuration: str, wishes: TrainingWishes) -> Length:
    """The length that was asked for, or the plan's own."""
    planning = wishes.planning
    if planning.train_time_s is not None:
        return Length(train_time_s=planning.train_time_s)
    if wishes.n_iterations is not None:
        return Length(n_iterations=wishes.n_iterations, iterations_per_epoch=ITERATIONS_PER_EPOCH)
    if planning.n_epochs is not None:
        n_iterations = planning.n_epochs * ITERATIONS_PER_EPOCH
        return Length(n_iterations=n_iterations, iterations_per_epoch=ITERATIONS_PER_EPOCH)
    return plan.find_configuration(configuration).length.value


def count_workers(wanted: int | None) -> int:
    """Processes that make batches: as asked, or one per core that training leaves free, and at least one."""
    if wanted is not None:
        return wanted
    n_cores = count_cores() // count_local_processes()
    return max(1, min(MAX_WORKERS, n_cores - 1))
