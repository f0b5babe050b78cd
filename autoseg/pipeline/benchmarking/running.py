"""One run of a network: a fold and a seed, trained, scored and measured in a process of its own.

A process of its own makes the peak of its memory that of the method, and a method that takes its process with it does
not take the others'. What was finished is read; what was interrupted goes on.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from autoseg.data.splits import Split, find_split
from autoseg.evaluation.benchmark import RunResult
from autoseg.evaluation.options import MetricOptions
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.networks.device import choose_device
from autoseg.networks.energy import measuring_energy
from autoseg.pipeline.benchmarking.circumstances import Circumstances, add_means
from autoseg.pipeline.benchmarking.fairness import list_trial_rates, set_rate
from autoseg.pipeline.benchmarking.measuring import measure_prediction
from autoseg.pipeline.benchmarking.records import (
    NOT_MEASURED,
    FinishedRun,
    Measured,
    draw_curve,
    mean_iteration_s,
    name_folder,
    write_finished,
)
from autoseg.pipeline.benchmarking.searching import Trials, search_rate, split_inside
from autoseg.pipeline.engines import settle_engine
from autoseg.pipeline.folds import make_job, validate_fold
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.project import Project
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.scoring import StoredPredictor, predict_and_score
from autoseg.pipeline.sittings import Sitting, plan_sitting
from autoseg.pipeline.watching import watch
from autoseg.planning.choices import Length
from autoseg.planning.plan import Plan
from autoseg.prediction.configuration_predictor import load_predictor
from autoseg.serialization import digest
from autoseg.training.continuing import read_saved
from autoseg.training.history import read_history
from autoseg.training.loop import train
from autoseg.workspace import Run

N_SEEDS = 2**31  # that every generator takes


@dataclass(frozen=True)
class NetworkRun:
    """Train, score and measure one network on one fold with one seed.

    Attributes:
        project: without anybody who is told.
        plan: of the method, as plain data: its decisions are of classes that pickle cannot name.
        configuration, fold, seed: what to train.
        splits: of the cross-validation.
        run, store: where it is written, and where the preprocessed cases are.
        length: of the training; of the trials beside it, None without a search.
        circumstances: that the run meets.
        flops_per_case: mean over the fold's validation cases.
        previous: of a cascade, the previous segmentation of each case.
        group_of: the group of each case, which trials do not divide.
        devices: dealt out to the places that runs have.
        n_threads, n_workers: of torch; processes that make batches.
    """

    project: Project
    plan: dict[str, Any]
    configuration: str
    fold: int
    seed: int
    splits: tuple[Split, ...]
    run: Run
    store: Path
    length: Length
    circumstances: Circumstances
    trial_length: Length | None = None
    flops_per_case: float = NOT_MEASURED
    previous: Mapping[str, Path] = field(default_factory=dict)
    group_of: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ("cpu",)
    n_threads: int = 1
    n_workers: int = 0

    def __call__(self, reporter: Reporter, place: int) -> None:
        torch.set_num_threads(self.n_threads)
        project = replace(self.project, reporter=reporter)
        order = self.make_order(self.devices[place % len(self.devices)])
        trials = self._search(project, order)
        if trials is not None:
            order = replace(order, plan=set_rate(order.plan, self.configuration, trials.chosen))
        joules = train_order(project, order)
        report = validate_fold(project, order)
        facts = read_checkpoint(self.run.checkpoint).facts
        history = read_history(self.run.history)
        result = RunResult(
            fold=self.fold,
            seed=self.seed,
            folder=name_folder(self.run.root, project.workspace.benchmark),
            n_iterations=facts["iterations"],
            spent_s=facts["spent_s"],
            learning_rate=order.settings.optimizer.value.learning_rate,
            trials={} if trials is None else {rate: _or_nan(dice) for rate, dice in trials.dice.items()},
            curve=draw_curve(history),
            report=report,
        )
        s_per_case, prediction_gb = measure_prediction(order)
        measured = Measured(
            s_per_iteration=mean_iteration_s(history),
            training_memory_gb=max((epoch.memory_gb for epoch in history), default=NOT_MEASURED),
            prediction_memory_gb=prediction_gb,
            s_per_case=s_per_case,
            flops_per_case=self.flops_per_case,
            joules=joules,
        )
        write_finished(
            self.run,
            FinishedRun(
                result=result,
                measured=measured,
                circumstances=add_means(self.circumstances, order.settings, order.device, _read_engine(self.run)),
                ended=datetime.date.today().isoformat(),
            ),
        )

    def make_order(self, device: str) -> FoldOrder:
        """What is trained, on a device."""
        return FoldOrder(
            plan=Plan.model_validate(self.plan),
            configuration=self.configuration,
            fold=self.fold,
            split=find_split(self.splits, self.fold),
            store=self.store,
            run=self.run,
            length=self.length,
            device=device,
            n_workers=self.n_workers,
            seed=seed_run(self.seed, self.fold),
            previous=self.previous,
        )

    def _search(self, project: Project, order: FoldOrder) -> Trials | None:
        """The trials of the learning rate, None where it is not searched for."""
        length = self.trial_length
        if length is None:
            return None

        def try_rate(rate: float, inner: Split) -> float:
            trial = replace(
                order,
                plan=set_rate(order.plan, self.configuration, rate),
                split=inner,
                run=self.run.trial(rate),
                length=length,
            )
            project.reporter.say(f"Trying the learning rate {rate:g}.")
            train_order(project, trial)
            return _score_quickly(project, trial, self.n_threads)

        base = order.settings.optimizer.value.learning_rate
        inner = split_inside(self.splits, self.fold, self.group_of)
        return search_rate(self.run, list_trial_rates(order.settings), inner, base, try_rate)


def seed_run(seed: int, fold: int) -> int:
    """The seed of a run, the same for every method and another one for every seed and fold.

    Drawn from a digest of both: sums would let fold 1 of seed 0 share weights and patches with fold 0 of seed 1, and
    the spread over seeds would not be one.
    """
    return int(digest([seed, fold]), 16) % N_SEEDS


def settle_once(project: Project, runs: Sequence[NetworkRun]) -> None:
    """Decide who augments patches before runs share a device: each would measure, and with neighbours.

    What is decided is recorded in the workspace, where every run finds it; a run that was begun keeps its own.
    """
    fresh = [run for run in runs if not run.run.resume.is_file()]
    if fresh:
        order = fresh[0].make_order(fresh[0].devices[0])
        settle_engine(project, make_job(project, order, Sitting(order.length, None, "")))


def train_order(project: Project, order: FoldOrder) -> float:
    """Train what is not trained yet. Returns joules, NaN where the machine tells none or several sittings trained."""
    is_begun = order.run.resume.is_file()
    sitting = plan_sitting(order.run, order.length, None, what=order.what)
    if sitting is None:
        return NOT_MEASURED
    project.reporter.say(sitting.sentence)
    job = make_job(project, order, sitting)
    job = replace(job, engine=settle_engine(project, job), times_iterations_alone=True)
    with watch(project.reporter, order) as watching, measuring_energy(choose_device(order.device)) as energy:
        train(job, watching)
    return NOT_MEASURED if is_begun or energy.joules is None else energy.joules


def _score_quickly(project: Project, order: FoldOrder, n_threads: int) -> float:
    """Mean Dice on the validation cases of a trial, and nothing else."""
    predictor = load_predictor([order.run.checkpoint], device=choose_device(order.device))
    ensemble = [StoredPredictor(predictor, order.store, order.previous)]
    only_dice = MetricOptions(groups=("overlap",))
    ids, folder = order.split.validation, order.run.validation
    return predict_and_score(project, ensemble, ids, folder, only_dice, n_threads=n_threads).mean_dice


def _read_engine(run: Run) -> str:
    """Who augmented patches; empty where nothing says so any more."""
    saved = read_saved(run.resume)
    return "" if saved is None else saved.engine


def _or_nan(dice: float | None) -> float:
    return NOT_MEASURED if dice is None else dice
