"""Training folds, and scoring each on the cases that it never saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from autoseg.evaluation.options import MetricOptions
from autoseg.evaluation.report import Report
from autoseg.evaluation.report_files import write_beside
from autoseg.networks.device import choose_device
from autoseg.networks.pretrained import read_pretrained
from autoseg.pipeline.engines import settle_engine
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.project import Project
from autoseg.pipeline.remarks import predict_memory_gb, tell_memory, warn_of_other_precision
from autoseg.pipeline.scoring import StoredPredictor, predict_and_score
from autoseg.pipeline.sittings import Sitting, plan_sitting
from autoseg.pipeline.standing import (
    mark_annotated,
    move_aside,
    read_current_report,
    refuse_other_plan,
    warn_of_other_wishes,
)
from autoseg.pipeline.watching import watch
from autoseg.planning.components_used import list_components
from autoseg.prediction.configuration_predictor import ConfigurationPredictor, load_predictor
from autoseg.prediction.options import PredictionOptions
from autoseg.training.distributing import is_first, wait_for_all
from autoseg.training.job import TrainingJob
from autoseg.training.loop import train
from autoseg.training.losses import find_terms
from autoseg.training.schedule import find_schedule


def train_fold(project: Project, order: FoldOrder) -> Report | None:
    """Train a fold, predict its validation cases and score them; whatever is there already is kept.

    Returns:
        The scores; None for a fold that holds no case out.

    Raises:
        WorkspaceError: the fold was trained under another plan, another process trains it, or there is nothing to
            extend.
    """
    _try_wishes(order)
    if order.restart:
        move_aside(project, order.run)
    sitting = plan_sitting(order.run, order.length, order.extra, what=order.what)
    wait_for_all()  # all processes have read the same files before any is changed
    if sitting is None:
        refuse_other_plan(project, order.run, order.plan, order.configuration, order.split)
        project.reporter.say(f"Fold {order.fold} of {order.configuration} is trained already: {order.run.checkpoint}")
        warn_of_other_wishes(project, order)
    else:
        _train(project, order, sitting)
    report = validate_fold(project, order) if is_first() and order.split.validation else None
    wait_for_all()
    return report


def _try_wishes(order: FoldOrder) -> None:
    """Raise what is wrong with pretrained weights, or with components that the plan names, before anything is moved."""
    if order.pretrained is not None:
        read_pretrained(order.pretrained)
    find_terms(order.settings.loss.value, batch_dice=order.settings.batch_dice.value)
    find_schedule(order.settings.optimizer.value.schedule)


def _train(project: Project, order: FoldOrder, sitting: Sitting) -> None:
    job = make_job(project, order, sitting)
    predicted_gb = predict_memory_gb(project, order)
    project.reporter.say(
        f"{sitting.sentence} About {predicted_gb:.2f} GB of memory, of "
        f"{order.plan.budget.memory_gb.value:.1f} GB that it may use."
    )
    warn_of_other_precision(project, order)
    job = replace(job, engine=settle_engine(project, job))
    with watch(project.reporter, order, score_cases=_make_scorer(project, order)) as watching:
        checkpoint = train(job, watching)
    facts = checkpoint.facts
    early = ", ended early on a plateau" if "ended_early_at" in facts else ""
    project.reporter.say(
        f"Trained {order.what}: {facts['iterations']} iterations in {facts['spent_s']:.0f} s{early}. "
        f"{order.run.checkpoint}"
    )
    if is_first():
        tell_memory(project, order, predicted_gb)


def make_job(project: Project, order: FoldOrder, sitting: Sitting) -> TrainingJob:
    """The order as training takes it."""
    return TrainingJob(
        plan=order.plan,
        configuration=order.configuration,
        fold=str(order.fold),
        train_ids=order.split.train,
        validation_ids=order.split.validation,
        store=order.store,
        checkpoint=order.run.checkpoint,
        resume=order.run.resume,
        history=order.run.history,
        lock=order.run.lock,
        length=sitting.length,
        base_length=sitting.base_length,
        device=choose_device(order.device),
        n_workers=order.n_workers,
        seed=order.seed,
        previous=order.previous,
        annotated=mark_annotated(project.dataset, order.split.train + order.split.validation),
        pretrained=None if order.pretrained is None else read_pretrained(order.pretrained),
        components=list_components(order.plan, order.configuration),
    )


def _make_scorer(project: Project, order: FoldOrder) -> Callable[[nn.Module], float | None] | None:
    """Mean Dice over the whole validation cases, for early stopping."""
    if order.settings.early_stopping.value is None:
        return None
    if not order.split.validation:
        project.reporter.warn(f"{order.what} holds no case out, so that early stopping has nothing to look at.")
        return None

    def score(network: nn.Module) -> float | None:
        device = choose_device(order.device)
        predictor = ConfigurationPredictor(
            order.plan, order.configuration, (network.eval(),), device, PredictionOptions()
        )
        return _predict_validation(project, order, predictor, MetricOptions(groups=("overlap",))).mean_dice

    return score


def _predict_validation(
    project: Project, order: FoldOrder, predictor: ConfigurationPredictor, options: MetricOptions | None = None
) -> Report:
    ensemble = [StoredPredictor(predictor, order.store, order.previous)]
    return predict_and_score(project, ensemble, order.split.validation, order.run.validation, options)


def validate_fold(project: Project, order: FoldOrder) -> Report:
    """Predict and score the validation cases of a trained fold; a current report is read, not made again."""
    known = read_current_report(order)
    if known is not None:
        return known
    report = _predict_validation(
        project, order, load_predictor([order.run.checkpoint], device=choose_device(order.device))
    )
    write_beside(order.run.report, report)
    project.reporter.say(f"Validation Dice of fold {order.fold}: {report.mean_dice:.4f}. {order.run.report}")
    return report
