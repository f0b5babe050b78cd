"""How good are these segmentations, against a reference?

`evaluate_case` scores two arrays, `evaluate_folders` two files or two folders, one case in memory at a time. Cases are
matched by file name without its ending; a prediction that is missing scores 0 and is named, one without a reference is
named and not scored.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from autoseg.data.annotated import parse_annotated
from autoseg.data.declarations import parse_labels, read_declarations
from autoseg.data.geometry import Geometry, describe_differences
from autoseg.data.labels import Labels, encode_labels
from autoseg.errors import DatasetError
from autoseg.evaluation.overlap import Overlap, count_confusion, overlap_of
from autoseg.evaluation.report import METRICS, CaseScores, LabelScores, Report, Summary, mean_of

IntArray = np.ndarray
Progress = Callable[[int, int], None]

NOT_SCORED = LabelScores(**dict.fromkeys(METRICS, math.nan))
REFERENCE_FOLDERS = ("labelsTr", "labelsTs", "labels")  # where a dataset keeps its references


def evaluate_case(
    reference: IntArray,
    predicted: IntArray | None,
    *,
    labels: Labels,
    voxel_volume_ml: float,
    case_id: str,
    annotated: Sequence[str] | None = None,
) -> CaseScores:
    """Score one case.

    Args:
        reference: labels 0..n-1 and `IGNORED`, (Z, Y, X); ignored voxels are outside of every count.
        predicted: labels 0..n-1, same shape; None where the prediction is missing.
        labels: names of the labels, or the regions that are scored in their place.
        voxel_volume_ml: millilitres per voxel, NaN where it is not known; then volumes are not either.
        case_id: the case.
        annotated: names of what the reference annotates, as in `Case.annotated`; the rest is not scored.

    Raises:
        DatasetError: the shapes differ, or a label is not among `labels`.
    """
    shown = np.zeros_like(reference) if predicted is None else predicted
    try:
        confusion = count_confusion(reference, shown, labels.n_labels)
    except ValueError as problem:
        raise DatasetError(f"case {case_id}: {problem}") from None
    marks = labels.mark_annotated(annotated)[-len(labels.targets) :]
    scores = {
        name: _score(overlap_of(confusion, its), voxel_volume_ml, is_missing=predicted is None)
        if is_annotated
        else NOT_SCORED
        for (name, its), is_annotated in zip(labels.targets, marks, strict=True)
    }
    return CaseScores(case_id=case_id, labels=scores, is_missing=predicted is None)


def _score(overlap: Overlap, voxel_volume_ml: float, *, is_missing: bool) -> LabelScores:
    return LabelScores(
        dice=0.0 if is_missing else overlap.dice,
        jaccard=0.0 if is_missing else overlap.jaccard,
        precision=0.0 if is_missing else overlap.precision,
        recall=0.0 if is_missing else overlap.recall,
        reference_ml=overlap.n_reference * voxel_volume_ml,
        predicted_ml=overlap.n_predicted * voxel_volume_ml,
        volume_error_ml=(overlap.n_predicted - overlap.n_reference) * voxel_volume_ml,
    )


def make_report(cases: Sequence[CaseScores], labels: Labels, *, without_reference: Sequence[str] = ()) -> Report:
    """Sum cases up.

    Args:
        cases: at least one, each with the scores of every foreground label, or region.
        labels: the labels that the cases were scored on.
        without_reference: names of predictions that had no reference.
    """
    ordered = tuple(sorted(cases, key=lambda case: case.case_id))
    summary = {name: _summarise_label(ordered, name) for name, _ in labels.targets}
    return Report(
        mean_dice=mean_of([metrics["dice"].mean for metrics in summary.values()]),
        n_cases=len(ordered),
        missing=tuple(case.case_id for case in ordered if case.is_missing),
        without_reference=tuple(sorted(without_reference)),
        summary=summary,
        cases=ordered,
    )


def _summarise_label(cases: Sequence[CaseScores], name: str) -> dict[str, Summary]:
    return {metric: summarise([getattr(case.labels[name], metric) for case in cases]) for metric in METRICS}


def summarise(values: Sequence[float]) -> Summary:
    """Mean, median and sample standard deviation of the values that are defined, and their number."""
    defined = [value for value in values if not math.isnan(value)]
    return Summary(
        mean=mean_of(defined),
        median=statistics.median(defined) if defined else math.nan,
        std=statistics.stdev(defined) if len(defined) > 1 else math.nan,
        n=len(defined),
    )


def evaluate_folders(
    reference: Path,
    predicted: Path,
    labels: Labels | None = None,
    *,
    case_ids: Collection[str] | None = None,
    on_progress: Progress | None = None,
) -> Report:
    """Score a folder of segmentations, or a single file, against its reference.

    Args:
        reference: a folder of reference segmentations, or one file.
        predicted: a folder of predicted segmentations, or one file, in the numbering of the reference.
        labels: names and numbers; by default from a `dataset.json` beside or above the reference, else the numbers
            that references and predictions hold, 0 being background. From that file it is known, too, which cases
            annotate some labels only.
        case_ids: the cases to score, where not all of the folder's; each must have a reference.
        on_progress: called with (cases done, cases in all).

    Raises:
        DatasetError: no segmentations, two files for one case, unequal geometry, or an undeclared label.
    """
    references, predictions = _match(reference, predicted)
    wanted = sorted(references if case_ids is None else case_ids)
    _refuse_unknown(wanted, references, reference)
    annotated = _find_annotated(reference) if labels is None else {}
    labels = labels or find_labels(reference) or _measure_labels(wanted, references, predictions)
    cases = []
    for done, case_id in enumerate(wanted, start=1):
        files = references[case_id], predictions.get(case_id)
        cases.append(_evaluate_files(case_id, *files, labels, annotated.get(case_id)))
        if on_progress:
            on_progress(done, len(wanted))
    extra = [path.name for case_id, path in predictions.items() if case_id not in references]
    return make_report(cases, labels, without_reference=extra)


def _refuse_unknown(wanted: Collection[str], references: Mapping[str, Path], folder: Path) -> None:
    unknown = [case_id for case_id in wanted if case_id not in references]
    if unknown:
        raise DatasetError(f"{folder}: has no reference segmentation for {', '.join(unknown)}.")


def _evaluate_files(
    case_id: str, reference: Path, predicted: Path | None, labels: Labels, annotated: Sequence[str] | None
) -> CaseScores:
    expected, geometry = _read(reference, labels)
    found = None
    if predicted is not None:
        found, found_geometry = _read(predicted, labels.model_copy(update={"ignore_value": None}))
        _require_equal(geometry, found_geometry, reference, predicted)
    return evaluate_case(
        expected,
        found,
        labels=labels,
        voxel_volume_ml=geometry.voxel_volume_ml,
        case_id=case_id,
        annotated=annotated,
    )


def _read(path: Path, labels: Labels) -> tuple[IntArray, Geometry]:
    from autoseg.data.image_io import read_segmentation

    stored, geometry = read_segmentation(path)
    return encode_labels(stored, labels, where=str(path)), geometry


def _require_equal(one: Geometry, other: Geometry, reference: Path, predicted: Path) -> None:
    differences = describe_differences(one, other)
    if differences:
        raise DatasetError(
            f"{predicted}: does not lie on its reference {reference}: {'; '.join(differences)} (reference against "
            "predicted). Resample the prediction onto the reference's grid."
        )


def _match(reference: Path, predicted: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Files of both sides by case; a pair of single files is one case, whatever their names."""
    for path in (reference, predicted):
        if not path.exists():
            raise DatasetError(f"{path}: there is no such file or folder.")
    references = _find_segmentations(reference)
    if reference.is_file() and predicted.is_file():
        return references, dict.fromkeys(references, predicted)
    return references, _find_segmentations(predicted, may_be_empty=True)


def _find_segmentations(path: Path, *, may_be_empty: bool = False) -> dict[str, Path]:
    from autoseg.data.image_io import ENDINGS, split_ending

    found: dict[str, Path] = {}
    for file in [path] if path.is_file() else sorted(path.iterdir()):
        case_id, ending = split_ending(file.name)
        if not ending or file.name.startswith(".") or file.is_dir():
            continue
        if case_id in found:
            raise DatasetError(
                f"{path}: holds two files for {case_id}, {found[case_id].name} and {file.name}. Keep one."
            )
        found[case_id] = file
    if not found and not may_be_empty:
        nested = [name for name in REFERENCE_FOLDERS if (path / name).is_dir()]
        hint = f"Give {path / nested[0]} instead." if nested else f"Known endings: {' '.join(ENDINGS)}."
        raise DatasetError(f"{path}: no segmentation is in it. {hint}")
    return found


def find_labels(reference: Path) -> Labels | None:
    """Labels from a `dataset.json` in the reference folder or the one above it; None where there is none."""
    file = _find_dataset_json(reference)
    return parse_labels(read_declarations(file), file)[0] if file else None


def _find_annotated(reference: Path) -> dict[str, tuple[str, ...]]:
    """Names of what cases annotate, where a `dataset.json` says that it is not everything."""
    file = _find_dataset_json(reference)
    if file is None:
        return {}
    declared = read_declarations(file)
    return parse_annotated(declared, parse_labels(declared, file)[0], file)


def _find_dataset_json(reference: Path) -> Path | None:
    folder = reference.parent if reference.is_file() else reference
    files = (folder / "dataset.json", folder.resolve().parent / "dataset.json")
    return next((file for file in files if file.is_file()), None)


def _measure_labels(wanted: Sequence[str], references: Mapping[str, Path], predictions: Mapping[str, Path]) -> Labels:
    """The numbers that the wanted cases hold on either side, background 0 first."""
    from autoseg.data.image_io import read_segmentation

    values = {0}
    for path in (side[case_id] for side in (references, predictions) for case_id in wanted if case_id in side):
        values.update(int(value) for value in np.unique(read_segmentation(path)[0]))
    foreground = sorted(values - {0})
    if not foreground:
        raise DatasetError(
            f"{references[wanted[0]].parent}: neither a reference nor a prediction holds anything but 0; there is "
            "nothing to compare. Give the folder a dataset.json with the labels to score them as empty."
        )
    return Labels(names=("background", *(f"label {value}" for value in foreground)), values=(0, *foreground))
