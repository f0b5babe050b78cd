"""What is wrong with a dataset? Every problem at once, each with its case, what was expected, what came, what to do.

An error keeps autoseg from training on a case or a dataset; a warning is what a person should have looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from autoseg.data.dataset import Dataset, name_cases
from autoseg.data.inspecting import Inspection, inspect_case, inspect_headers
from autoseg.data.parallel import Progress, count_threads, map_in_threads
from autoseg.data.problem import Problem, error, warning
from autoseg.data.splits import N_FOLDS

__all__ = ["Problem", "check_dataset", "find_spacing_outliers"]

OUTLIER_FACTOR = 3.0  # spacing of a case against the median of its axis


def check_dataset(dataset: Dataset, on_progress: Progress | None = None) -> tuple[Problem, ...]:
    """Look at every file of a dataset; nothing is raised, everything is reported.

    Args:
        on_progress: called with (cases done, cases in all).

    Returns:
        All problems: those of the whole dataset first, then those of its cases in order.
    """
    found = map_in_threads(
        lambda case: inspect_case(case, dataset),
        dataset.cases,
        n_threads=count_threads(dataset.cases),
        on_progress=on_progress,
    )
    tests = map_in_threads(lambda case: inspect_headers(case, dataset), dataset.test_cases)
    return (
        *_check_number_of_cases(dataset),
        *_check_absent_labels(dataset, found),
        *_check_spacing(dataset, found),
        *_check_orientation(dataset, found),
        *_check_twins(dataset, found),
        *(error(case_id, f"{gap}.") for case_id, gap in dataset.incomplete.items()),
        *(problem for inspection in [*found, *tests] for problem in inspection.problems),
    )


def _check_number_of_cases(dataset: Dataset) -> Iterable[Problem]:
    n_cases, n_declared = len(dataset.cases), dataset.n_cases_declared
    if n_declared is not None and n_declared != n_cases:
        yield warning(
            dataset.name,
            f"dataset.json declares {n_declared} training cases (numTraining), but {n_cases} are complete. "
            "Add the missing files or mend the number.",
        )
    if n_cases < 2:
        yield error(dataset.name, "one case alone cannot be split into training and validation. Add cases.")
    elif n_cases < N_FOLDS:
        yield warning(
            dataset.name,
            f"{n_cases} cases are fewer than the {N_FOLDS} folds of a cross-validation. "
            f"Add cases or use {n_cases} folds.",
        )


def _check_absent_labels(dataset: Dataset, found: Sequence[Inspection]) -> Iterable[Problem]:
    present = frozenset().union(*(inspection.labels for inspection in found))
    for label in dataset.labels.foreground:
        if label not in present:
            value, name = dataset.labels.values[label], dataset.labels.names[label]
            yield warning(
                dataset.name,
                f"label {name} ({value} in the files) is declared, but no case holds it. Is the number right?",
            )


def _check_spacing(dataset: Dataset, found: Sequence[Inspection]) -> Iterable[Problem]:
    known = {inspection.case_id: inspection.geometry for inspection in found if inspection.geometry}
    without = [case_id for case_id, geometry in known.items() if not geometry.has_spacing]
    if without:
        yield warning(
            dataset.name,
            f"the format of {len(without)} of {len(known)} cases stores no spacing ({name_cases(without)}); "
            "1 mm is assumed. "
            "If spacings are known and differ, convert to a format that stores them (.nii.gz, .nrrd, .mha).",
        )
    spacings = {case_id: geometry.spacing for case_id, geometry in known.items()}
    for case_id, text in find_spacing_outliers(spacings).items():
        yield warning(case_id, text)


def find_spacing_outliers(spacings_mm: dict[str, tuple[float, float, float]]) -> dict[str, str]:
    """Name the cases whose spacing (z, y, x) is more than 3x, or less than a third of, the median along an axis."""
    if not spacings_mm:
        return {}
    values = np.array(list(spacings_mm.values()))
    median = np.median(values, axis=0)
    ratio = values / median
    is_outlier = ((ratio > OUTLIER_FACTOR) | (ratio < 1 / OUTLIER_FACTOR)).any(axis=1)
    return {
        case_id: f"spacing is {_rounded(spacing)} mm (z, y, x), but the median of all cases is {_rounded(median)}. "
        "Check the header or leave the case out."
        for case_id, spacing, outlier in zip(spacings_mm, values, is_outlier, strict=True)
        if outlier
    }


def _rounded(spacing: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in spacing)


def _check_orientation(dataset: Dataset, found: Sequence[Inspection]) -> Iterable[Problem]:
    orientations = {inspection.case_id: inspection.geometry.orientation for inspection in found if inspection.geometry}
    counts = Counter(orientations.values()).most_common()
    for orientation, _ in counts[1:]:
        cases = [case_id for case_id, its in orientations.items() if its == orientation]
        yield warning(
            dataset.name,
            f"{name_cases(cases)} {'are' if len(cases) > 1 else 'is'} stored as {orientation}, but most cases as "
            f"{counts[0][0]}. Arrays are used as they are stored: reorient these cases or check their headers.",
        )


def _check_twins(dataset: Dataset, found: Sequence[Inspection]) -> Iterable[Problem]:
    by_content: dict[tuple[str, ...], list[str]] = {}
    for inspection in found:
        if inspection.digests:
            by_content.setdefault(inspection.digests, []).append(inspection.case_id)
    for twins in by_content.values():
        if len(twins) > 1:
            yield warning(
                dataset.name,
                f"{name_cases(twins)} have identical images. "
                "Keep one of them, or training and validation share a case.",
            )
