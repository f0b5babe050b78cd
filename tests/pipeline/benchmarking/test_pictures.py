"""Best, median and worst, each as the one slice that is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.data.image_io import read_image, read_segmentation
from autoseg.evaluation.benchmark import MethodResult
from autoseg.pipeline.benchmarking.gathering import pool_runs
from autoseg.pipeline.benchmarking.pictures import choose_cases, draw_cases, read_overlay
from autoseg.pipeline.project import Project
from tests.pipeline.benchmarking.test_gathering import LABELS, run, score


def test_roles_go_by_mean_dice_and_no_case_has_two() -> None:
    cases = tuple(score(name, dice) for name, dice in (("a", 0.1), ("b", 0.9), ("c", 0.5), ("d", 0.4), ("e", 0.8)))
    chosen = choose_cases(cases)
    assert {role: case.case_id for role, case in chosen.items()} == {"best": "b", "median": "c", "worst": "a"}
    assert list(chosen) == ["best", "median", "worst"]
    assert list(choose_cases(cases[:2])) == ["best", "worst"]
    assert list(choose_cases(cases[:1])) == ["best"]
    assert choose_cases((score("a", 0.0, missing=True),)) == {}


def test_pictures_are_chosen_and_labelled_by_the_seed_whose_contours_they_show(small: Project) -> None:
    """Seed 1 thinks the other case the better one; what is drawn is of seed 0."""
    one, other = small.dataset.case_ids[:2]
    files = {case.id: case.segmentation for case in small.dataset.cases if case.segmentation is not None}
    runs = (run(0, 0, score(one, 0.9), score(other, 0.3)), run(0, 1, score(one, 0.1), score(other, 0.8)))
    method = MethodResult(name="unet", kind="network", runs=runs, pooled=pool_runs(runs, LABELS))
    drawn = draw_cases(small, method, files)
    assert [(shown.role, shown.overlay.dice["organ"]) for shown in drawn] == [("best", 0.9), ("worst", 0.3)]
    assert all(shown.overlay.case_id.endswith(", seed 0") for shown in drawn)
    alone = draw_cases(small, method.model_copy(update={"runs": runs[:1]}), files)
    assert not [shown for shown in alone if "seed" in shown.overlay.case_id]


def test_a_picture_holds_the_slice_with_most_foreground_across_the_widest_spacing(small: Project) -> None:
    case = small.dataset.cases[0]
    assert case.segmentation is not None
    stored, geometry = read_segmentation(case.segmentation)
    overlay = read_overlay(small, score(case.id, 0.25), case.segmentation)
    index = int((stored > 0).sum(axis=(1, 2)).argmax())
    assert overlay.case_id == f"{case.id}, slice {index + 1} along z"
    np.testing.assert_array_equal(overlay.image[0], read_image(case.images)[0][0, index])
    np.testing.assert_array_equal(overlay.predicted[0], stored[index])
    assert overlay.spacing_mm == pytest.approx(geometry.spacing)
    assert overlay.dice == {"organ": 0.25}
