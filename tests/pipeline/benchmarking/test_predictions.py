"""Segmentations from elsewhere: by the same evaluation, a missing one as a miss, another grid as no segmentation."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from autoseg.data.image_io import read_segmentation, write_segmentation
from autoseg.errors import DatasetError
from autoseg.pipeline.benchmarking.predictions import PredictionsRun, find_predictions
from autoseg.pipeline.benchmarking.records import read_finished
from autoseg.pipeline.project import Project
from autoseg.pipeline.reporting import Reporter
from autoseg.workspace import Run
from tests.pipeline.conftest import Listener


@pytest.fixture
def folder(small: Project, tmp_path: Path) -> Path:
    """The references themselves, as if a perfect reader had drawn them."""
    for case in small.dataset.cases:
        assert case.segmentation is not None
        (tmp_path / "reader").mkdir(exist_ok=True)
        shutil.copy(case.segmentation, tmp_path / "reader" / f"{case.id}.nii.gz")
    return tmp_path / "reader"


def run_predictions(small: Project, folder: Path, reporter: Reporter | None = None) -> PredictionsRun:
    ids = small.dataset.case_ids[:3]
    run = PredictionsRun(small, folder, 0, ids, Run(folder.parent / "run"))
    run(reporter or Reporter(), 0)
    return run


def test_the_reference_scores_one_and_what_is_missing_nothing(small: Project, folder: Path) -> None:
    missing = small.dataset.case_ids[1]
    (folder / f"{missing}.nii.gz").unlink()
    finished = read_finished(run_predictions(small, folder).run)
    assert finished is not None
    report = finished.result.report
    assert [round(case.mean_dice, 6) for case in report.cases] == [1, 0, 1]
    assert report.missing == (missing,)


def test_another_grid_is_refused_in_one_line(small: Project, folder: Path) -> None:
    path = folder / f"{small.dataset.case_ids[0]}.nii.gz"
    stored, geometry = read_segmentation(path)
    z, y, x = geometry.spacing
    write_segmentation(path, stored, replace(geometry, spacing=(z, y * 1.5, x)))
    with pytest.raises(DatasetError, match=r"does not lie on its reference.*spacing") as told:
        run_predictions(small, folder)
    assert "\n" not in str(told.value)


def test_a_fold_without_any_file_is_missed_and_files_that_fit_no_case_are_told(small: Project, folder: Path) -> None:
    for case_id in small.dataset.case_ids[:3]:
        (folder / f"{case_id}.nii.gz").rename(folder / f"{case_id}_mask.nii.gz")
    listener = Listener()
    finished = read_finished(run_predictions(small, folder, listener).run)
    assert finished is not None
    assert finished.result.report.missing == small.dataset.case_ids[:3]
    assert listener.warned[0].startswith(
        f"{folder}: 3 of 6 files fit no case, for example {small.dataset.case_ids[0]}_mask"
    )


def test_of_two_files_of_one_case_the_one_that_ends_like_the_dataset_counts(small: Project, folder: Path) -> None:
    first = next(iter(sorted(folder.iterdir())))
    for ending in (".nrrd", ".png"):  # of which one sorts before, the other behind
        shutil.copy(first, folder / first.name.replace(".nii.gz", ending))
    assert find_predictions(folder, ".nii.gz") == {
        case_id: folder / f"{case_id}.nii.gz" for case_id in small.dataset.case_ids
    }
    with pytest.raises(DatasetError, match=r"two files for .* none ends with .mha"):
        find_predictions(folder, ".mha")
