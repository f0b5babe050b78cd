"""Which labels does each case annotate, where dataset.json says that it is not all of them?

    "annotated_labels": {"case_01": ["liver"], "case_02": ["liver", "spleen"]}

Cases that are not listed annotate everything. In a listed case the other labels are unknown: its background may hold
them, so that it neither teaches nor scores them. Names are those of labels or of regions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from autoseg.data.dataset import Dataset
from autoseg.data.declarations import BACKGROUND
from autoseg.data.labels import Labels
from autoseg.errors import DatasetError
from autoseg.serialization import did_you_mean

KEY = "annotated_labels"
Annotated = dict[str, tuple[str, ...]]


def mark_cases(dataset: Dataset, declared: Mapping[str, Any]) -> Dataset:
    """The dataset with `Case.annotated` as its dataset.json declares it. Raises DatasetError."""
    known = {*dataset.case_ids, *dataset.incomplete}
    listed = parse_annotated(declared, dataset.labels, dataset.folder / "dataset.json", case_ids=known)
    if not listed:
        return dataset
    cases = tuple(case.model_copy(update={"annotated": listed.get(case.id)}) for case in dataset.cases)
    note = f"{len(listed)} of {len(cases)} cases are annotated for some labels only, as dataset.json lists them."
    return dataset.model_copy(update={"cases": cases, "notes": (*dataset.notes, note)})


def parse_annotated(
    declared: Mapping[str, Any], labels: Labels, where: Path, *, case_ids: Collection[str] | None = None
) -> Annotated:
    """Names of the labels or regions that a case annotates, for each case that does not annotate all.

    Args:
        declared: the content of dataset.json.
        labels: of the dataset.
        where: the file, for errors.
        case_ids: the cases that may be listed; None where they are not known.

    Raises:
        DatasetError: an unknown case or name, or a case that annotates nothing.
    """
    entries = declared.get(KEY, {})
    if not isinstance(entries, dict):
        raise DatasetError(f'{where}: {KEY} must be like {{"case_01": ["liver"]}}, but is a {type(entries).__name__}.')
    found = {}
    for case_id, names in entries.items():
        if case_ids is not None and case_id not in case_ids:
            raise DatasetError(f"{where}: {KEY}: there is no case {case_id}.{did_you_mean(case_id, sorted(case_ids))}")
        found[case_id] = _parse_names(names, labels, f"{where}: {KEY}.{case_id}")
    return {case_id: names for case_id, names in found.items() if not all(labels.mark_annotated(names))}


def _parse_names(names: Any, labels: Labels, place: str) -> tuple[str, ...]:
    known = tuple(dict.fromkeys((*labels.output_names, *labels.names)))
    if not isinstance(names, list):
        raise DatasetError(f"{place} must be a list of names out of {', '.join(known)}, but is {names!r}.")
    for name in names:
        if name not in known:
            raise DatasetError(f"{place}: there is no label {name}.{did_you_mean(str(name), known)}")
    wanted = tuple(name for name in dict.fromkeys(names) if name != BACKGROUND)
    marks = zip(labels.output_names, labels.mark_annotated(wanted), strict=True)
    if not any(is_marked for name, is_marked in marks if name != BACKGROUND):
        raise DatasetError(
            f"{place}: {names} is nothing to learn from. Name at least one of "
            f"{', '.join(name for name, _ in labels.targets)}, or leave the case out of the dataset."
        )
    return wanted


def find_unannotated(annotated: tuple[str, ...] | None, labels: Labels) -> tuple[int, ...]:
    """Labels that a reference with these names must not hold: those that are in nothing that it annotates."""
    if annotated is None:
        return ()
    by_name = dict(labels.targets) | {name: (label,) for label, name in enumerate(labels.names)}
    allowed = {label for name in annotated for label in by_name[name]}
    return tuple(label for label in labels.foreground if label not in allowed)
