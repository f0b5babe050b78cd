"""Training folds, and scoring each on the cases that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoseg.data.image_io import read_header, read_segmentation, write_segmentation
from autoseg.data.labels import Labels, decode_labels, encode_labels
from autoseg.data.splits import Split
from autoseg.drawing import draw_progress
from autoseg.errors import WorkspaceError
from autoseg.evaluation.evaluating import evaluate_case, make_report
from autoseg.evaluation.report import CaseScores, Report
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.project import Project
from autoseg.planning.plan import Length, Plan
from autoseg.prediction.predictor import Predictor, load_predictor
from autoseg.prediction.restoring import Member, restore
from autoseg.preprocessing.store import open_case
from autoseg.serialization import parse_record, read_json, to_plain, write_json
from autoseg.training.device import choose_device
from autoseg.training.history import Epoch, read_history
from autoseg.training.job import TrainingJob
from autoseg.training.loop import Step, holding, train
from autoseg.workspace import Run

DRAW_EVERY_S = 30.0  # a picture of the curves takes up to a second


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


def train_fold(project: Project, order: FoldOrder) -> Report:
    """Train a fold, predict its validation cases and score them; whatever is there already is kept.

    Raises:
        WorkspaceError: the fold was trained under another plan, or another process trains it.
    """
    if order.restart:
        _move_aside(project, order.run)
    if order.run.checkpoint.is_file():
        _refuse_other_plan(order)
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
    settings = order.plan.find_configuration(order.configuration)
    project.reporter.say(
        f"Training {what}: about {settings.memory_gb.value:.2f} GB of memory, of "
        f"{order.plan.budget.memory_gb.value:.1f} GB that it may use."
    )
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
    )


def _refuse_other_plan(order: FoldOrder) -> None:
    trained = read_checkpoint(order.run.checkpoint)
    now = order.plan.training_digest(order.configuration)
    is_same_split = set(trained.facts["train_ids"]) == set(order.split.train)
    if trained.plan.training_digest(trained.configuration) != now or not is_same_split:
        raise WorkspaceError(
            f"{order.run.checkpoint}: was trained under another plan, data or split. Train it anew with --restart (the "
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


def validate_fold(project: Project, order: FoldOrder) -> Report:
    """Predict and score the validation cases of a trained fold; a current report is read, not made again."""
    run = order.run
    if run.report.is_file():
        report = parse_record(Report, read_json(run.report), where=str(run.report))
        if {case.case_id for case in report.cases} == set(order.split.validation):
            return report
    predictor = load_predictor([run.checkpoint], device=choose_device(order.device))
    report = predict_and_score(
        project, [predictor], {order.configuration: order.store}, order.split.validation, run.validation
    )
    write_json(run.report, report)
    project.reporter.say(f"Validation Dice of fold {order.fold}: {report.mean_dice:.4f}. {run.report}")
    return report


def predict_and_score(
    project: Project,
    predictors: Sequence[Predictor],
    stores: dict[str, Path],
    case_ids: Sequence[str],
    folder: Path,
) -> Report:
    """Predict preprocessed cases with the ensemble of `predictors`, write the segmentations, and score them."""
    scores = []
    with project.reporter.follow("Predicting validation cases", len(case_ids)) as advance:
        for done, case_id in enumerate(case_ids, start=1):
            path = folder / f"{case_id}{project.dataset.file_ending}"
            members = [_predict_stored(predictor, stores[predictor.configuration], case_id) for predictor in predictors]
            segmentation = restore(members).segmentation
            geometry = read_header(project.dataset.find_case(case_id).images[0]).geometry
            write_segmentation(path, decode_labels(segmentation, project.dataset.labels), geometry)
            scores.append(score_written(project, case_id, path))
            advance(done, "")
    return make_report(scores, project.dataset.labels)


def _predict_stored(predictor: Predictor, store: Path, case_id: str) -> Member:
    stored = open_case(store, case_id)
    return predictor.predict(np.asarray(stored.image[:]), stored.facts.placement)


def score_written(project: Project, case_id: str, path: Path) -> CaseScores:
    """Score a written segmentation against the case's reference."""
    case = project.dataset.find_case(case_id)
    assert case.segmentation is not None, "a case of a split has a reference"
    labels = project.dataset.labels
    reference, geometry = read_labels(case.segmentation, labels), read_header(case.segmentation).geometry
    return evaluate_case(
        reference,
        read_labels(path, labels),
        labels=labels,
        voxel_volume_ml=geometry.voxel_volume_ml,
        case_id=case_id,
    )


def read_labels(path: Path, labels: Labels) -> np.ndarray:
    """Read a segmentation file as labels (Z, Y, X)."""
    stored, _ = read_segmentation(path)
    return encode_labels(stored, labels, where=str(path))
