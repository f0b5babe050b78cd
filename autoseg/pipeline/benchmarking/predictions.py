"""How do segmentations from elsewhere enter the comparison? As files, on the same cases, by the same evaluation.

Files are found by the name of the case; of several with one name that which ends as the dataset's files do, so that
previews may lie beside. One that is missing is a miss; one that lies on another grid than its reference is no
segmentation of the case, and the method has no result.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoseg.data.image_io import split_ending
from autoseg.errors import DatasetError
from autoseg.evaluation.benchmark import RunResult
from autoseg.evaluation.case_files import CaseJob, evaluate_jobs
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.options import MetricOptions
from autoseg.evaluation.report import Report
from autoseg.pipeline.benchmarking.records import FinishedRun, write_finished
from autoseg.pipeline.project import Project
from autoseg.pipeline.reporting import Reporter
from autoseg.workspace import Run


@dataclass(frozen=True)
class PredictionsRun:
    """Score what another system predicted of the validation cases of a fold.

    Attributes:
        project: whose references count.
        folder: of the predicted files.
        fold, case_ids: to score.
        run: where the result is kept.
        n_threads: of the evaluation.
    """

    project: Project
    folder: Path
    fold: int
    case_ids: tuple[str, ...]
    run: Run
    n_threads: int = 1

    def __call__(self, reporter: Reporter, place: int) -> None:
        dataset = self.project.dataset
        files = find_predictions(self.folder, dataset.file_ending)
        if others := sorted(set(files) - set(dataset.case_ids)):
            example = files[others[0]].name
            reporter.warn(f"{self.folder}: {len(others)} of {len(files)} files fit no case, for example {example}.")
        paths = [files.get(case_id) for case_id in self.case_ids]
        report = score_files(self.project, self.case_ids, paths, n_threads=self.n_threads)
        if report.missing:
            reporter.warn(
                f"{len(report.missing)} predictions are missing and count as misses: {report.missing[0]}, ..."
            )
        result = RunResult(fold=self.fold, seed=0, report=report)
        write_finished(self.run, FinishedRun(result=result, ended=datetime.date.today().isoformat()))


def score_files(
    project: Project, case_ids: Sequence[str], paths: Sequence[Path | None], *, n_threads: int = 1
) -> Report:
    """Score predicted files against the references of cases of the dataset; None is a miss.

    Raises:
        DatasetError: a file cannot be read, or lies on another grid than its reference.
    """
    options, labels, jobs = MetricOptions(), project.dataset.labels, []
    for case_id, path in zip(case_ids, paths, strict=True):
        case = project.dataset.find_case(case_id)
        assert case.segmentation is not None, "a case of a split has a reference"
        jobs.append(CaseJob(case_id, case.segmentation, path, labels, case.annotated, options))
    return make_report(list(evaluate_jobs(jobs, n_threads)), labels, options=options)


def find_predictions(folder: Path, file_ending: str) -> dict[str, Path]:
    """Segmentation files by case.

    Args:
        folder: where they lie.
        file_ending: of the dataset's files, which wins where a case has files of several endings.

    Raises:
        DatasetError: two files of one case, and neither has this ending.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: (not path.name.endswith(file_ending), path.name)):
        case_id, ending = split_ending(path.name)
        if not ending or path.name.startswith(".") or path.is_dir():
            continue
        if case_id not in found:
            found[case_id] = path
        elif not found[case_id].name.endswith(file_ending):
            raise DatasetError(
                f"{folder}: holds two files for {case_id}, {found[case_id].name} and {path.name}, and none ends with "
                f"{file_ending} as the dataset's do. Leave one."
            )
    return found
