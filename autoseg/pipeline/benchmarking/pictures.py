"""Which cases show what a method does? Its best, its median and its worst by mean Dice, with contours.

Contours are those of one seed, so that the cases are chosen and labelled by its scores, and not by the mean over seeds.
Of each case only the slice that is drawn is kept: the one with most foreground, across the axis of the widest spacing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoseg.data.image_io import read_image
from autoseg.drawing.overlays import Overlay
from autoseg.evaluation.benchmark import MethodResult
from autoseg.evaluation.report import CaseScores
from autoseg.pipeline.project import Project
from autoseg.pipeline.scoring import read_labels
from autoseg.publishing.overlays import MethodOverlay, Role

COLOURS = 3  # channels of a picture in red, green and blue


def choose_cases(cases: tuple[CaseScores, ...]) -> dict[Role, CaseScores]:
    """Best, median and worst case; each case once, where there are fewer than three."""
    scored = [case for case in cases if not math.isnan(case.mean_dice) and not case.is_missing]
    ranked = sorted(scored, key=lambda case: (-case.mean_dice, case.case_id))
    places: tuple[tuple[Role, int], ...] = (("best", 0), ("worst", len(ranked) - 1), ("median", (len(ranked) - 1) // 2))
    chosen: dict[Role, CaseScores] = {}
    for role, place in places:
        if ranked and ranked[place] not in chosen.values():
            chosen[role] = ranked[place]
    order: tuple[Role, ...] = ("best", "median", "worst")
    return {role: chosen[role] for role in order if role in chosen}


def draw_cases(project: Project, method: MethodResult, files: Mapping[str, Path]) -> list[MethodOverlay]:
    """Overlays of a method that has a result.

    Args:
        files: what it predicted, by case, by its first seed; cases without a file are not shown.
    """
    first = next((run.seed for run in method.runs), 0)
    has_several = any(run.seed != first for run in method.runs)
    cases = tuple(case for run in method.runs if run.seed == first for case in run.report.cases)
    return [
        MethodOverlay(method.name, role, _name_seed(overlay, first) if has_several else overlay)
        for role, case in choose_cases(cases).items()
        if case.case_id in files and files[case.case_id].is_file()
        for overlay in [read_overlay(project, case, files[case.case_id])]
    ]


def _name_seed(overlay: Overlay, seed: int) -> Overlay:
    return replace(overlay, case_id=f"{overlay.case_id}, seed {seed}")


def read_overlay(project: Project, scores: CaseScores, path: Path) -> Overlay:
    """The slice of a case to be drawn."""
    case, labels = project.dataset.find_case(scores.case_id), project.dataset.labels
    assert case.segmentation is not None, "a case of a split has a reference"
    reference, predicted = (read_labels(file, labels) for file in (case.segmentation, path))
    spacing = read_spacing(path)
    axis = max(range(3), key=lambda axis: (predicted.shape[axis] == 1, spacing[axis]))
    others = tuple(other for other in range(3) if other != axis)
    index = int(((reference > 0) | (predicted > 0)).sum(axis=others).argmax())
    image, _ = read_image(case.images)
    image = image if len(image) == COLOURS and _is_colour(project) else image[0]
    where = f", slice {index + 1} along {'zyx'[axis]}" if predicted.shape[axis] > 1 else ""
    return Overlay(
        case_id=f"{scores.case_id}{where}",
        image=np.ascontiguousarray(image.take([index], axis=axis + image.ndim - 3)),
        reference=np.ascontiguousarray(reference.take([index], axis=axis)),
        predicted=np.ascontiguousarray(predicted.take([index], axis=axis)),
        spacing_mm=spacing,
        dice={name: its.dice for name, its in scores.labels.items()},
    )


def read_spacing(path: Path) -> tuple[float, float, float]:
    """Of a file, mm (z, y, x)."""
    from autoseg.data.image_io import read_header

    return read_header(path).geometry.spacing


def _is_colour(project: Project) -> bool:
    """Whether the channels are the colours of a picture."""
    names = tuple(name.lower() for name in project.dataset.channels)
    return names in (("r", "g", "b"), ("red", "green", "blue"))
