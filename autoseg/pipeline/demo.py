"""The whole engine on a generated dataset, in minutes: for a first look, and as an example of the library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autoseg.data.checking import check_dataset
from autoseg.data.image_io import read_image, read_segmentation
from autoseg.data.phantom import write_phantom_dataset
from autoseg.drawing import Overlay, draw_overlays
from autoseg.errors import DatasetError
from autoseg.evaluation.evaluating import evaluate_folders
from autoseg.evaluation.report import Report
from autoseg.evaluation.report_files import write_beside
from autoseg.pipeline.model import load_model
from autoseg.pipeline.prediction.predicting import predict_images
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.selecting import ensure_selection
from autoseg.pipeline.training import TrainingWishes, train_folds
from autoseg.planning.wishes import Wishes

N_OVERLAYS = 3


@dataclass(frozen=True)
class DemoResult:
    """What the demo showed: Dice per label on held-out cases, and where everything lies."""

    n_cases: int
    dice: dict[str, float]
    mean_dice: float
    files: dict[str, Path]


def run_demo(
    folder: Path, *, train_time_s: float = 60.0, device: str = "auto", reporter: Reporter | None = None
) -> DemoResult:
    """Generate a dataset, then check, plan, train two folds, select, predict held-out cases and evaluate.

    Args:
        folder: where the dataset and all results go; run again, it does only what is still missing.
        train_time_s: seconds of training per fold.
    """
    reporter = reporter or Reporter()
    dataset = folder / "Phantom"
    if not (dataset / "dataset.json").is_file():
        reporter.say(f"Generating 24 cases of two touching organs and a lesion: {dataset}")
        write_phantom_dataset(dataset)
    project = open_project(dataset, workspace=folder / "workspace", reporter=reporter)
    _refuse_problems(project)
    wishes = TrainingWishes(planning=Wishes(train_time_s=train_time_s), folds=("0", "1"), device=device)
    train_folds(project, wishes)
    ensure_selection(project, device=device)
    predictions = folder / "predictions"
    model = load_model(dataset, workspace=project.workspace.root, device=device, reporter=reporter)
    predict_images(model, dataset / "imagesTs", predictions, reporter=reporter)
    report = evaluate_folders(dataset / "labelsTs", predictions, project.dataset.labels)
    write_beside(predictions / "report.json", report)
    picture = folder / "overlay.png"
    _draw(project, dataset, predictions, report, picture)
    return DemoResult(
        n_cases=report.n_cases,
        dice={name: metrics["dice"].mean for name, metrics in report.summary.items()},
        mean_dice=report.mean_dice,
        files={
            "plan": project.workspace.plan,
            "curves": project.workspace.run("3d_fullres", 0).progress,
            "overlay": picture,
            "report": predictions / "report.json",
        },
    )


def _refuse_problems(project: Project) -> None:
    errors = [problem for problem in check_dataset(project.dataset) if problem.severity == "error"]
    if errors:
        lines = "\n".join(f"{problem.where}: {problem.message}" for problem in errors)
        raise DatasetError(f"The demo's dataset was changed. Remove {project.dataset.folder} and run again.\n{lines}")


def _draw(project: Project, dataset: Path, predictions: Path, report: Report, path: Path) -> None:
    overlays = []
    for case in report.cases[:N_OVERLAYS]:
        image, geometry = read_image([dataset / "imagesTs" / f"{case.case_id}_0000.nii.gz"])
        reference, _ = read_segmentation(dataset / "labelsTs" / f"{case.case_id}.nii.gz")
        predicted, _ = read_segmentation(predictions / f"{case.case_id}.nii.gz")
        dice = {name: scores.dice for name, scores in case.labels.items()}
        overlays.append(Overlay(case.case_id, image, reference, predicted, geometry.spacing, dice))
    draw_overlays(overlays, path, label_names=project.dataset.labels.names)
