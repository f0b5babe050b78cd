"""How are floors fitted to the training cases of a fold, and what do they predict?"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoseg.data.case import read_case
from autoseg.data.dataset import Case
from autoseg.data.image_io import read_header, read_segmentation, write_segmentation
from autoseg.data.labels import LABEL_DTYPE, decode_labels, encode_labels
from autoseg.data.splits import Split
from autoseg.evaluation.benchmark import RunResult
from autoseg.floors.cases import FloorCase, list_targets
from autoseg.floors.mean_shape import fit_mean_shape
from autoseg.floors.threshold import fit_thresholds
from autoseg.pipeline.benchmarking.predictions import score_files
from autoseg.pipeline.benchmarking.records import FinishedRun, name_folder, write_finished
from autoseg.pipeline.project import Project
from autoseg.pipeline.reporting import Reporter
from autoseg.planning.plan import Plan
from autoseg.preprocessing.preprocess import Aligned, align
from autoseg.workspace import Run

Segment = Callable[[Case], np.ndarray]  # labels (Z, Y, X) of a case on its original grid


@dataclass(frozen=True)
class FloorRun:
    """Fit a floor to the training cases of a fold, predict its validation cases and score them.

    Attributes:
        project: whose cases.
        name: of the floor.
        plan: whose normalisation it sees images in, as plain data.
        fold, split: to work on.
        run: where it is written.
        n_threads: of the evaluation.
    """

    project: Project
    name: str
    plan: dict[str, Any]
    fold: int
    split: Split
    run: Run
    n_threads: int = 1

    def __call__(self, reporter: Reporter, place: int) -> None:
        began = time.monotonic()
        segment = FLOORS[self.name](self)
        spent_s = time.monotonic() - began
        dataset, paths = self.project.dataset, []
        with reporter.follow(f"Predicting with {self.name}", len(self.split.validation)) as advance:
            for done, case_id in enumerate(self.split.validation, start=1):
                case = dataset.find_case(case_id)
                path = self.run.validation / f"{case_id}{dataset.file_ending}"
                geometry = read_header(case.images[0]).geometry
                write_segmentation(path, decode_labels(segment(case), dataset.labels), geometry)
                paths.append(path)
                advance(done, "")
        result = RunResult(
            fold=self.fold,
            seed=0,
            folder=name_folder(self.run.root, self.project.workspace.benchmark),
            spent_s=round(spent_s, 1),
            report=score_files(self.project, self.split.validation, paths, n_threads=self.n_threads),
        )
        write_finished(self.run, FinishedRun(result=result, ended=datetime.date.today().isoformat()))

    def list_training_cases(self) -> list[Case]:
        """Cases to fit to."""
        return [self.project.dataset.find_case(case_id) for case_id in self.split.train]


def _fit_threshold(job: FloorRun) -> Segment:
    """Intensities are those that networks see, before resampling: of the non-zero crop, normalised."""
    plan, labels = Plan.model_validate(job.plan), job.project.dataset.labels

    def read() -> Iterator[FloorCase]:
        for case in job.list_training_cases():
            aligned = _read_aligned(job, case, plan)
            assert aligned.segmentation is not None, "a case that trains has a reference"
            yield FloorCase(aligned.image, aligned.segmentation, _mark(job, case))

    thresholds = fit_thresholds(read, list_targets(labels), are_regions=bool(labels.regions))

    def segment(case: Case) -> np.ndarray:
        aligned = _read_aligned(job, case, plan)
        placement = aligned.placement
        whole = np.zeros(read_header(case.images[0]).geometry.shape, dtype=LABEL_DTYPE)
        whole[placement.slices].transpose(placement.axis_order)[...] = thresholds.segment(aligned.image)
        return whole

    return segment


def _fit_mean_shape(job: FloorRun) -> Segment:
    labels = job.project.dataset.labels

    def read() -> Iterator[FloorCase]:
        for case in job.list_training_cases():
            assert case.segmentation is not None, "a case that trains has a reference"
            stored, _ = read_segmentation(case.segmentation)
            segmentation = encode_labels(stored, labels, where=str(case.segmentation))
            yield FloorCase(np.empty((0, *segmentation.shape), np.float32), segmentation, _mark(job, case))

    shape = fit_mean_shape(read, list_targets(labels), are_regions=bool(labels.regions))
    return lambda case: shape.segment(read_header(case.images[0]).geometry.shape)


FLOORS: dict[str, Callable[[FloorRun], Segment]] = {"threshold": _fit_threshold, "mean_shape": _fit_mean_shape}


def _read_aligned(job: FloorRun, case: Case, plan: Plan) -> Aligned:
    loaded = read_case(case, labels=job.project.dataset.labels, n_channels=len(job.project.dataset.channels))
    return align(loaded.image, loaded.segmentation, loaded.geometry.spacing, plan)


def _mark(job: FloorRun, case: Case) -> tuple[bool, ...]:
    labels = job.project.dataset.labels
    return labels.mark_annotated(case.annotated)[-len(labels.targets) :]
