"""Toy datasets with regions, with cases that are annotated in part, and with a few annotated slices are learnt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoseg.data.geometry import Geometry
from autoseg.data.image_io import write_segmentation, write_volume
from autoseg.evaluation.report import Report
from autoseg.pipeline.project import open_project
from autoseg.pipeline.replanning import Edits, replan
from autoseg.pipeline.training import TrainingWishes, train_folds
from autoseg.planning.wishes import Wishes

SHAPE, GEOMETRY = (12, 32, 32), Geometry((12, 32, 32), (2.0, 1.0, 1.0))
SMALL = (
    "3d_fullres.patch_size=[12,32,32]",
    "3d_fullres.batch_size=2",
    "3d_fullres.augmentation_engine=workers",
    "n_folds=2",
)
N_CASES, N_ITERATIONS = 8, 150
SHELL, CORE = 1, 2


def draw_case(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright ball with a brighter core in noise: image (Z, Y, X) and labels 0, 1 (shell), 2 (core)."""
    rng = np.random.default_rng(number)
    centre = np.array([6, 16, 16]) + rng.uniform(-2, 2, 3)
    points = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    radius = np.linalg.norm((points - centre) * GEOMETRY.spacing, axis=-1)
    segmentation = ((radius < 8).astype(np.uint8) + (radius < 4)).astype(np.uint8)
    return (rng.normal(0, 0.3, SHAPE) + segmentation).astype(np.float32), segmentation


def write_toy(folder: Path, declared: Mapping[str, Any], change: Any) -> Path:
    """A dataset of such cases; `change(number, segmentation)` makes the reference."""
    for number in range(N_CASES):
        image, segmentation = draw_case(number)
        write_volume(folder / "imagesTr" / f"toy_{number}_0000.nii.gz", image, GEOMETRY)
        reference = change(number, segmentation.copy())
        write_segmentation(folder / "labelsTr" / f"toy_{number}.nii.gz", reference, GEOMETRY)
    content = {"channel_names": {"0": "MRI"}, "file_ending": ".nii.gz", **declared}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def learn(folder: Path, workspace: Path) -> Report:
    """Train fold 0 shortly."""
    project = open_project(folder, workspace=workspace)
    replan(project, Wishes(train_time_s=60), Edits(assignments=SMALL))
    wishes = TrainingWishes(configurations=("3d_fullres",), folds=("0",), n_iterations=N_ITERATIONS, n_workers=0)
    return train_folds(project, wishes)[("3d_fullres", 0)]


@pytest.fixture
def as_drawn() -> Any:
    return lambda number, segmentation: segmentation


def test_overlapping_regions_are_learnt_and_painted(tmp_path: Path, as_drawn: Any) -> None:
    labels = {"background": 0, "ball": [1, 2], "core": 2}
    declared = {"labels": labels, "regions_class_order": [1, 2]}
    report = learn(write_toy(tmp_path / "regions", declared, as_drawn), tmp_path / "workspace")
    assert {"ball", "core"} <= set(report.summary)
    assert report.summary["ball"]["dice"].mean > 0.85
    assert report.summary["core"]["dice"].mean > 0.6


def test_cases_that_are_annotated_in_part_teach_all_labels_together(tmp_path: Path) -> None:
    names = {f"toy_{number}": ["shell"] if number % 2 else ["core"] for number in range(N_CASES)}

    def keep_own(number: int, segmentation: np.ndarray) -> np.ndarray:
        segmentation[segmentation != (SHELL if number % 2 else CORE)] = 0
        return segmentation

    declared = {"labels": {"background": 0, "shell": SHELL, "core": CORE}, "annotated_labels": names}
    report = learn(write_toy(tmp_path / "partial", declared, keep_own), tmp_path / "workspace")
    assert report.summary["shell"]["dice"].mean > 0.6
    assert report.summary["core"]["dice"].mean > 0.6


def test_a_few_annotated_slices_are_enough(tmp_path: Path) -> None:
    ignore = 3

    def annotate_slices(number: int, segmentation: np.ndarray) -> np.ndarray:
        kept = [3, 6, 9] if number % 2 else [4, 7]
        sparse = np.full_like(segmentation, ignore)
        sparse[kept] = segmentation[kept]
        return sparse

    declared = {"labels": {"background": 0, "shell": SHELL, "core": CORE, "ignore": ignore}}
    report = learn(write_toy(tmp_path / "sparse", declared, annotate_slices), tmp_path / "workspace")
    assert report.summary["shell"]["dice"].mean > 0.6
    assert report.summary["core"]["dice"].mean > 0.6
