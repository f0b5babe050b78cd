"""Training folds, and scoring each on the cases that it never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import nn

from autoseg.data.splits import Fold, Split
from autoseg.errors import WorkspaceError
from autoseg.evaluation.report import Report
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.networks.pretrained import read_pretrained
from autoseg.pipeline.engines import settle_engine
from autoseg.pipeline.project import Project
from autoseg.pipeline.scoring import StoredPredictor, predict_and_score
from autoseg.pipeline.sittings import Sitting, plan_sitting
from autoseg.pipeline.watching import Tracking, watch
from autoseg.planning.choices import Length
from autoseg.planning.components_used import list_components
from autoseg.planning.plan import Configuration, Plan
from autoseg.prediction.predictor import PredictionOptions, Predictor, load_predictor
from autoseg.serialization import parse_record, read_json, to_plain, write_json
from autoseg.training.continuing import holding
from autoseg.training.device import choose_device, find_mixed_type
from autoseg.training.distributing import is_first, wait_for_all
from autoseg.training.history import read_history
from autoseg.training.job import TrainingJob
from autoseg.training.loop import train
from autoseg.workspace import Run

MEMORY_SLACK = 1.1  # a measured peak beyond this many times the predicted one is worth a warning


@dataclass(frozen=True)
class FoldOrder:
    """One fold to train: everything that a person can ask for beside the plan.

    Attributes:
        plan, configuration, fold, split: what to train, on which cases.
        store: the preprocessed cases of the configuration.
        run: where it is written.
        length: how long.
        extra: what to add to a training that is finished.
        device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
        n_workers: processes that make batches.
        restart: move an earlier run aside instead of continuing it.
        seed: of weights and batches.
        pretrained: a file of weights to begin with.
        tracking: where else the training is written down.
        previous: of a cascade, the previous segmentation of each case, by case id (`cascading.ensure_previous`).
    """

    plan: Plan
    configuration: str
    fold: Fold
    split: Split
    store: Path
    run: Run
    length: Length
    extra: Length | None = None
    device: str = "auto"
    n_workers: int = 1
    restart: bool = False
    seed: int = 0
    pretrained: Path | None = None
    tracking: Tracking = field(default_factory=Tracking)
    previous: Mapping[str, Path] = field(default_factory=dict)

    @property
    def settings(self) -> Configuration:
        return self.plan.find_configuration(self.configuration)

    @property
    def what(self) -> str:
        """The fold in words."""
        return f"{self.configuration}, fold {self.fold}"


def train_fold(project: Project, order: FoldOrder) -> Report | None:
    """Train a fold, predict its validation cases and score them; whatever is there already is kept.

    Returns:
        The scores; None for a fold that holds no case out.

    Raises:
        WorkspaceError: the fold was trained under another plan, another process trains it, or there is nothing to
            extend.
    """
    if order.restart:
        _move_aside(project, order.run)
    sitting = plan_sitting(order.run, order.length, order.extra, what=order.what)
    wait_for_all()  # all processes have read the same files before any is changed
    if sitting is None:
        refuse_other_plan(order.run, order.plan, order.configuration, order.split)
        project.reporter.say(f"Fold {order.fold} of {order.configuration} is trained already: {order.run.checkpoint}")
        _warn_of_other_length(project, order)
    else:
        _train(project, order, sitting)
    return validate_fold(project, order) if is_first() and order.split.validation else None


def _train(project: Project, order: FoldOrder, sitting: Sitting) -> None:
    job = make_job(project, order, sitting)
    project.reporter.say(
        f"{sitting.sentence} About {order.settings.memory_gb.value:.2f} GB of memory, of "
        f"{order.plan.budget.memory_gb.value:.1f} GB that it may use."
    )
    _warn_of_other_precision(project, order)
    job = replace(job, engine=settle_engine(project, job))
    if is_first():
        order.run.report.unlink(missing_ok=True)
    with watch(project.reporter, order, score_cases=_make_scorer(project, order)) as watching:
        checkpoint = train(job, watching)
    facts = checkpoint.facts
    early = ", ended early on a plateau" if "ended_early_at" in facts else ""
    project.reporter.say(
        f"Trained {order.what}: {facts['iterations']} iterations in {facts['spent_s']:.0f} s{early}. "
        f"{order.run.checkpoint}"
    )
    if is_first():
        _compare_memory(project, order)


def make_job(project: Project, order: FoldOrder, sitting: Sitting) -> TrainingJob:
    """The order as training takes it."""
    labels = order.plan.labels
    marked = {case.id: case.annotated for case in project.dataset.cases if case.annotated is not None}
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
        annotated={case_id: labels.mark_annotated(names) for case_id, names in marked.items()},
        pretrained=None if order.pretrained is None else read_pretrained(order.pretrained),
        components=list_components(order.plan, order.configuration),
    )


def _make_scorer(project: Project, order: FoldOrder) -> Callable[[nn.Module], float | None] | None:
    """Mean Dice over the whole validation cases, for early stopping."""
    if order.settings.early_stopping.value is None or not order.split.validation:
        return None

    def score(network: nn.Module) -> float | None:
        device = choose_device(order.device)
        predictor = Predictor(order.plan, order.configuration, (network.eval(),), device, PredictionOptions())
        return _predict_validation(project, order, predictor).mean_dice

    return score


def _predict_validation(project: Project, order: FoldOrder, predictor: Predictor) -> Report:
    ensemble = [StoredPredictor(predictor, order.store, order.previous)]
    return predict_and_score(project, ensemble, order.split.validation, order.run.validation)


def _warn_of_other_precision(project: Project, order: FoldOrder) -> None:
    precision, device = order.settings.precision.value, choose_device(order.device)
    if precision != "float32" and find_mixed_type(precision, device) is None:
        project.reporter.warn(
            f"The plan asks for {precision}, which {device} does not compute in: training in float32, which takes more "
            "memory and time than predicted."
        )


def _compare_memory(project: Project, order: FoldOrder) -> None:
    """Say what training held at its peak, beside what was predicted; warn where it is more, or beyond the budget."""
    measured_gb = max(epoch.memory_gb for epoch in read_history(order.run.history))
    budget = order.plan.budget
    is_planned_device = choose_device(order.device).type == budget.device.value
    sentence, is_too_much = compare_memory(measured_gb, order.settings.memory_gb.value, budget.memory_gb.value)
    if is_too_much and is_planned_device:
        project.reporter.warn(sentence)
    else:
        project.reporter.say(sentence if is_planned_device else f"{sentence} The plan is for {budget.device.value}.")


def compare_memory(measured_gb: float, predicted_gb: float, budget_gb: float) -> tuple[str, bool]:
    """Measured peak memory beside the predicted one in words, and whether it is more than it should be."""
    sentence = f"Peak memory {measured_gb:.2f} GB, predicted {predicted_gb:.2f} GB"
    if measured_gb > budget_gb:
        beyond = f"more than the {budget_gb:.2f} GB of the budget. Plan for less with --gpu-memory"
        return f"{sentence}: {beyond}, or set a smaller batch_size.", True
    if measured_gb > MEMORY_SLACK * predicted_gb:
        return f"{sentence}: {measured_gb / predicted_gb - 1:.0%} more.", True
    return f"{sentence}.", False


def refuse_other_plan(run: Run, plan: Plan, configuration: str, split: Split, *, command: str = "") -> None:
    """Raise WorkspaceError if a fold was trained under another plan, data or split; `command` trains it anew."""
    trained = read_checkpoint(run.checkpoint)
    is_same_split = set(trained.facts["train_ids"]) == set(split.train)
    if trained.plan.training_digest(trained.configuration) != plan.training_digest(configuration) or not is_same_split:
        how = f": `{command}`" if command else ""
        raise WorkspaceError(
            f"{run.checkpoint}: was trained under another plan, data or split. Train it anew with --restart{how} (the "
            "old run is moved aside), or restore them."
        )


def _warn_of_other_length(project: Project, order: FoldOrder) -> None:
    facts = read_checkpoint(order.run.checkpoint).facts
    trained = facts.get("base_length", facts.get("length"))
    if trained != to_plain(order.length):
        project.reporter.warn(
            f"It was trained for another length ({trained}). --extend trains it further, --restart anew."
        )


def _move_aside(project: Project, run: Run) -> None:
    if is_first() and run.root.is_dir():
        number = 1
        while (old := run.root.with_name(f"{run.root.name}.old{number}")).exists():
            number += 1
        with holding(run.lock):
            run.root.replace(old)
        project.reporter.say(f"The run before is kept: {old}")
    wait_for_all()


def read_current_report(order: FoldOrder) -> Report | None:
    """The scores of the fold's validation cases, None if they are still to be made."""
    path = order.run.report
    if not path.is_file():
        return None
    report = parse_record(Report, read_json(path), where=str(path))
    return report if {case.case_id for case in report.cases} == set(order.split.validation) else None


def validate_fold(project: Project, order: FoldOrder) -> Report:
    """Predict and score the validation cases of a trained fold; a current report is read, not made again."""
    known = read_current_report(order)
    if known is not None:
        return known
    report = _predict_validation(
        project, order, load_predictor([order.run.checkpoint], device=choose_device(order.device))
    )
    write_json(order.run.report, report)
    project.reporter.say(f"Validation Dice of fold {order.fold}: {report.mean_dice:.4f}. {order.run.report}")
    return report
