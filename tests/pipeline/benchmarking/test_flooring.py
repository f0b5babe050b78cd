"""Floors learn from training cases alone and answer on the grid of each case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoseg.data.image_io import read_segmentation
from autoseg.evaluation.evaluating import evaluate_folders
from autoseg.pipeline.benchmarking.entering import enter, make_task
from autoseg.pipeline.benchmarking.flooring import FloorRun
from autoseg.pipeline.benchmarking.grounds import CommonGround
from autoseg.pipeline.benchmarking.methods import parse_methods
from autoseg.pipeline.benchmarking.records import read_finished
from autoseg.pipeline.reporting import Reporter


def make_floor(ground: CommonGround, name: str) -> FloorRun:
    (contender,) = parse_methods([name], {})
    run = make_task(ground, enter(ground, contender), 0, 0, n_jobs=1).function
    assert isinstance(run, FloorRun)
    return run


@pytest.mark.parametrize("name", ["threshold", "mean_shape"])
def test_a_floor_is_scored_as_any_folder_of_segmentations(ground: CommonGround, name: str) -> None:
    floor = make_floor(ground, name)
    floor(Reporter(), 0)
    finished = read_finished(floor.run)
    assert finished is not None
    references = ground.project.dataset.folder / "labelsTr"
    validation = ground.splits[0].validation
    scored = evaluate_folders(references, floor.run.validation, ground.plan.labels, case_ids=validation)
    assert finished.result.report.mean_dice == pytest.approx(scored.mean_dice)
    assert 0.05 < scored.mean_dice < 0.9
    assert {case.case_id for case in finished.result.report.cases} == set(validation)


def test_the_mean_shape_of_one_case_is_that_case(ground: CommonGround) -> None:
    """Predicted for itself, on its own grid: nothing is lost on the way there and back."""
    case = ground.project.dataset.cases[0]
    floor = make_floor(ground, "mean_shape")
    only = replace(floor, split=floor.split.model_copy(update={"train": (case.id,), "validation": (case.id,)}))
    only(Reporter(), 0)
    predicted, _ = read_segmentation(floor.run.validation / f"{case.id}.nii.gz")
    assert case.segmentation is not None
    np.testing.assert_array_equal(predicted, read_segmentation(case.segmentation)[0])
