"""What is wrong with one case? Headers first, then pixels, then labels; one file in memory at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autoseg.data.annotated import find_unannotated
from autoseg.data.dataset import Case, Dataset
from autoseg.data.geometry import Geometry, describe_differences
from autoseg.data.image_io import Header, read_header, read_image, read_segmentation
from autoseg.data.labels import IGNORED, encode_labels
from autoseg.data.problem import Problem, error, warning
from autoseg.errors import AutosegError
from autoseg.serialization import digest_file


@dataclass(frozen=True)
class Inspection:
    """What a look at one case found.

    Attributes:
        case_id: the case.
        problems: what is wrong with it.
        geometry: of its first image; None if that cannot be read.
        digests: of its image files, in order.
        labels: the labels that its segmentation holds; empty if that cannot be read.
    """

    case_id: str
    problems: tuple[Problem, ...] = ()
    geometry: Geometry | None = None
    digests: tuple[str, ...] = ()
    labels: frozenset[int] = frozenset()


def inspect_case(case: Case, dataset: Dataset) -> Inspection:
    """Look at headers, pixels and labels of a case; nothing is raised, everything is reported."""
    found = inspect_headers(case, dataset)
    if found.geometry is None:
        return found
    pixel_problems, digests = _check_images(case)
    label_problems, labels = _check_labels(case, dataset)
    problems = dict.fromkeys((*found.problems, *pixel_problems, *label_problems))  # a broken file is named once
    return replace(found, problems=tuple(problems), digests=digests, labels=labels)


def inspect_headers(case: Case, dataset: Dataset) -> Inspection:
    """Look at the headers of a case: channels, grids, and how labels are stored."""
    problems: list[Problem] = []
    headers = {path: header for path in case.images if (header := _try_header(case, path, problems))}
    if len(headers) < len(case.images):
        return Inspection(case.id, tuple(problems))
    problems += _check_channels(case, headers, dataset)
    geometry = headers[case.images[0]].geometry
    if case.segmentation and (header := _try_header(case, case.segmentation, problems)):
        problems += _check_grid(case, case.segmentation, header, geometry)
        problems += _check_label_type(case, case.segmentation, header)
    return Inspection(case.id, tuple(problems), geometry)


def _try_header(case: Case, path: Path, problems: list[Problem]) -> Header | None:
    try:
        return read_header(path)
    except AutosegError as problem:
        problems.append(error(case.id, str(problem)))
        return None


def _check_channels(case: Case, headers: dict[Path, Header], dataset: Dataset) -> list[Problem]:
    problems = []
    n_channels = sum(header.n_channels for header in headers.values())
    if n_channels != len(dataset.channels):
        names = ", ".join(path.name for path in headers)
        problems.append(
            error(
                case.id,
                f"expected {len(dataset.channels)} channels ({', '.join(dataset.channels)}), but {names} "
                f"hold{'s' if len(headers) == 1 else ''} {n_channels}. Convert the case or declare its channels.",
            )
        )
    first = headers[case.images[0]].geometry
    for path in case.images[1:]:
        problems += _check_grid(case, path, headers[path], first)
    return problems


def _check_grid(case: Case, path: Path, header: Header, expected: Geometry) -> list[Problem]:
    if not (differences := describe_differences(expected, header.geometry)):
        return []
    return [
        error(
            case.id,
            f"{path} must lie on the grid of {case.images[0].name}, but differs in {'; '.join(differences)} "
            f"({case.images[0].name} first). Resample one onto the other.",
        )
    ]


def _check_label_type(case: Case, path: Path, header: Header) -> list[Problem]:
    if not header.dtype.startswith("float"):
        return []
    return [
        warning(
            case.id,
            f"{path.name} stores labels as {header.dtype}; expected integers. "
            "They are rounded if they are whole numbers; save them as integers to be sure.",
        )
    ]


def _check_images(case: Case) -> tuple[list[Problem], tuple[str, ...]]:
    problems: list[Problem] = []
    ranges: list[tuple[float, float]] = []
    for path in case.images:
        try:
            image, _ = read_image([path])
            ranges += [(float(channel.min()), float(channel.max())) for channel in image]
        except AutosegError as problem:
            problems.append(error(case.id, str(problem)))
    if not problems:
        problems += _check_ranges(case, ranges)
    return problems, tuple(digest_file(path) for path in case.images)


def _check_ranges(case: Case, ranges: list[tuple[float, float]]) -> list[Problem]:
    if all(low == high == 0 for low, high in ranges):
        return [warning(case.id, "every voxel of the image is zero; expected an image. Export the case again.")]
    return [
        warning(case.id, f"channel {i} is {low:g} everywhere; expected an image. Export the channel again.")
        for i, (low, high) in enumerate(ranges)
        if low == high
    ]


def _check_labels(case: Case, dataset: Dataset) -> tuple[list[Problem], frozenset[int]]:
    if case.segmentation is None:
        return [], frozenset()
    try:
        stored, _ = read_segmentation(case.segmentation)
        labels = encode_labels(stored, dataset.labels, where=str(case.segmentation))
    except AutosegError as problem:
        return [error(case.id, str(problem))], frozenset()
    n_voxels = np.bincount(labels[labels > 0], minlength=dataset.labels.n_labels)
    present = frozenset(np.flatnonzero(n_voxels).tolist())
    name = case.segmentation.name
    if (labels == IGNORED).all():
        text = f"every voxel of {name} is ignored, so that there is nothing to learn from. Annotate it or leave it out."
        return [error(case.id, text)], present
    if not present:
        return [warning(case.id, f"{name} holds no foreground; expected at least one label. Is it finished?")], present
    return _check_annotated(case, dataset, n_voxels), present


def _check_annotated(case: Case, dataset: Dataset, n_voxels: np.ndarray) -> list[Problem]:
    """Labels that are there although the case is not listed to annotate them."""
    assert case.segmentation is not None
    return [
        error(
            case.id,
            f"{case.segmentation.name} holds {n_voxels[label]} voxels of {dataset.labels.names[label]}, but "
            f"annotated_labels in dataset.json lists {', '.join(case.annotated or ())} alone. List it, or remove them.",
        )
        for label in find_unannotated(case.annotated, dataset.labels)
        if n_voxels[label]
    ]
