"""Training folds, and scoring each on the cases that it never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoseg.data.splits import Split
from autoseg.drawing import draw_progress
from autoseg.errors import WorkspaceError
from autoseg.evaluation.report import Report
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.project import Project
from autoseg.pipeline.scoring import StoredPredictor, predict_and_score
from autoseg.planning.choices import Length
from autoseg.planning.plan import Configuration, Plan
from autoseg.prediction.predictor import load_predictor
from autoseg.serialization import parse_record, read_json, to_plain, write_json
from autoseg.training.continuing import holding
from autoseg.training.device import choose_device, computes_in_bfloat16
from autoseg.training.history import Epoch, read_history
from autoseg.training.job import TrainingJob
from autoseg.training.loop import Step, train
from autoseg.workspace import Run

DRAW_EVERY_S = 30.0  # a picture of the curves takes up to a second
MEMORY_SLACK = 1.1  # a measured peak beyond this many times the predicted one is worth a warning


@dataclass(frozen=True)
class FoldOrder:
    """One fold to train: everything that a person can ask for beside the plan.

    Attributes:
        plan, configuration, fold, split: what to train, on which cases.
        store: the preprocessed cases of the configuration.
        run: where it is written.
        length: how long.
        device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
        n_workers: processes that make batches.
        restart: move an earlier run aside instead of continuing it.
        seed: of weights and batches.
        previous: of a cascade, the previous segmentation of each case, by case id (`cascading.ensure_previous`).
    """

    plan: Plan
    configuration: str
    fold: int
    split: Split
    store: Path
    run: Run
    length: Length
    device: str = "auto"
    n_workers: int = 1
    restart: bool = False
    seed: int = 0
    previous: Mapping[str, Path] = field(default_factory=dict)

    @property
    def settings(self) -> Configuration:
        return self.plan.find_configuration(self.configuration)


def train_fold(project: Project, order: FoldOrder) -> Report:
    """Train a fold, predict its validation cases and score them; whatever is there already is kept.

    Raises:
        WorkspaceError: the fold was trained under another plan, or another process trains it.
    """
    if order.restart:
        _move_aside(project, order.run)
    if order.run.checkpoint.is_file():
        refuse_other_plan(order.run, order.plan, order.configuration, order.split)
        project.reporter.say(f"Fold {order.fold} of {order.configuration} is trained already: {order.run.checkpoint}")
        _warn_of_other_length(project, order)
    else:
        _train(project, order)
    return validate_fold(project, order)


def _train(project: Project, order: FoldOrder) -> None:
    job = _make_job(order)
    order.run.report.unlink(missing_ok=True)
    if order.run.resume.is_file():
        done = read_history(order.run.history)
        share = f"{done[-1].share:.0%}" if done else "the start"
        project.reporter.say(f"Continuing fold {order.fold} of {order.configuration} from {share}.")
    what = f"{order.configuration}, fold {order.fold}"
    project.reporter.say(
        f"Training {what}: about {order.settings.memory_gb.value:.2f} GB of memory, of "
        f"{order.plan.budget.memory_gb.value:.1f} GB that it may use."
    )
    _warn_of_other_precision(project, order)
    with project.reporter.follow(what, 1.0) as advance:
        latest, drawn_s = "", 0.0

        def on_step(step: Step) -> None:
            advance(step.share, f"loss {step.loss:.3f}  rate {step.learning_rate:.1e}{latest}")

        def on_epoch(epoch: Epoch) -> None:
            nonlocal latest, drawn_s
            dice = epoch.mean_dice
            latest = f"  Dice {dice:.3f}" if dice is not None else ""
            if epoch.spent_s - drawn_s >= DRAW_EVERY_S:
                drawn_s = epoch.spent_s
                draw_progress(read_history(order.run.history), order.run.progress, title=what)

        checkpoint = train(job, on_step=on_step, on_epoch=on_epoch)
    draw_progress(read_history(order.run.history), order.run.progress, title=what)
    facts = checkpoint.facts
    project.reporter.say(
        f"Trained {what}: {facts['iterations']} iterations in {facts['spent_s']:.0f} s. {order.run.checkpoint}"
    )
    _compare_memory(project, order)


def _warn_of_other_precision(project: Project, order: FoldOrder) -> None:
    precision, device = order.settings.precision.value, choose_device(order.device)
    if precision != "float32" and not computes_in_bfloat16(precision, device):
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


def _make_job(order: FoldOrder) -> TrainingJob:
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
        length=order.length,
        device=choose_device(order.device),
        n_workers=order.n_workers,
        seed=order.seed,
        previous=order.previous,
    )


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
    trained = read_checkpoint(order.run.checkpoint).facts.get("length")
    if trained != to_plain(order.length):
        project.reporter.warn(f"It was trained for another length ({trained}). --restart trains it anew.")


def _move_aside(project: Project, run: Run) -> None:
    if not run.root.is_dir():
        return
    number = 1
    while (old := run.root.with_name(f"{run.root.name}.old{number}")).exists():
        number += 1
    with holding(run.lock):
        run.root.replace(old)
    project.reporter.say(f"The run before is kept: {old}")


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
    predictor = load_predictor([order.run.checkpoint], device=choose_device(order.device))
    ensemble = [StoredPredictor(predictor, order.store, order.previous)]
    report = predict_and_score(project, ensemble, order.split.validation, order.run.validation)
    write_json(order.run.report, report)
    project.reporter.say(f"Validation Dice of fold {order.fold}: {report.mean_dice:.4f}. {order.run.report}")
    return report
