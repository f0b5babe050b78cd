"""How is an nnU-Net v2 folder read? `dataset.json`, `imagesTr/CASE_0000.nii.gz`, `labelsTr/CASE.nii.gz`, `imagesTs/`.

Source: nnU-Net's documentation of its dataset format. Files are matched by name whatever their ending is; the optional
`dataset` entry lists them by path instead. One file with all channels (`imagesTr/CASE.nii.gz`) is accepted, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoseg.data.dataset import Case, Dataset
from autoseg.data.declarations import parse_channels, parse_labels, parse_n_cases
from autoseg.data.listing import (
    Groups,
    describe_gap,
    describe_references,
    group_by_case,
    group_by_stem,
    list_images,
    most_common_ending,
)
from autoseg.errors import DatasetError


def read_nnunet(folder: Path, declared: Mapping[str, Any]) -> Dataset:
    """Read an nnU-Net v2 folder, given the content of its dataset.json. Raises DatasetError."""
    where = folder / "dataset.json"
    channels = parse_channels(declared, where)
    labels, notes = parse_labels(declared, where)
    if "dataset" in declared:
        cases, incomplete = _match_declared(folder, declared["dataset"], len(channels))
    else:
        references = group_by_stem(list_images(folder / "labelsTr"))
        images = group_by_case(list_images(folder / "imagesTr"), references, suffixes_expected=True)
        cases, incomplete = match_cases(images, references, len(channels))
    tests, incomplete_tests = find_test_cases(folder / "imagesTs", len(channels))
    return Dataset(
        name=folder.name,
        folder=folder,
        layout="nnunet",
        channels=channels,
        labels=labels,
        cases=cases,
        test_cases=tests,
        file_ending=_ending(cases, declared),
        notes=(*notes, *_note_ending(cases, declared)),
        incomplete=incomplete | incomplete_tests,
        n_cases_declared=parse_n_cases(declared, where),
    )


def match_cases(images: Groups, references: Groups, n_files: int) -> tuple[tuple[Case, ...], dict[str, str]]:
    """Pair images with segmentations; returns complete cases sorted by id, and what is wrong with the others."""
    cases, incomplete = [], {}
    for case_id in sorted(images.keys() | references.keys()):
        its_images, its_references = images.get(case_id, []), references.get(case_id, [])
        gap = describe_gap(case_id, its_images, n_files) or describe_references(its_references)
        if gap:
            incomplete[case_id] = gap
        else:
            cases.append(Case(id=case_id, images=tuple(its_images), segmentation=its_references[0]))
    return tuple(cases), incomplete


def find_test_cases(folder: Path, n_files: int) -> tuple[tuple[Case, ...], dict[str, str]]:
    """Cases of a folder of images alone, sorted by id, and what is wrong with the others."""
    groups = group_by_case(list_images(folder), (), suffixes_expected=True)
    gaps = {case_id: describe_gap(case_id, files, n_files) for case_id, files in sorted(groups.items())}
    cases = tuple(Case(id=case_id, images=tuple(groups[case_id])) for case_id, gap in gaps.items() if not gap)
    return cases, {f"{folder.name}/{case_id}": gap for case_id, gap in gaps.items() if gap}


def _match_declared(folder: Path, entries: Any, n_files: int) -> tuple[tuple[Case, ...], dict[str, str]]:
    """The `dataset` entry: {case: {"images": [...], "label": ...}}, paths relative to the folder or absolute."""
    where = folder / "dataset.json"
    if not isinstance(entries, dict):
        raise DatasetError(f"{where}: dataset must map case ids to their files, but is a {type(entries).__name__}.")
    cases, incomplete = [], {}
    for case_id, entry in sorted(entries.items()):
        if not isinstance(entry, dict) or not isinstance(entry.get("images"), list) or "label" not in entry:
            raise DatasetError(f'{where}: dataset.{case_id} must be {{"images": [...], "label": ...}}.')
        images = tuple(folder / str(path) for path in entry["images"])
        case = Case(id=case_id, images=images, segmentation=folder / str(entry["label"]))
        if gap := _describe_declared_gap(case, n_files):
            incomplete[case_id] = gap
        else:
            cases.append(case)
    return tuple(cases), incomplete


def _describe_declared_gap(case: Case, n_files: int) -> str:
    files = [*case.images, *([case.segmentation] if case.segmentation else [])]
    if missing := [str(path) for path in files if not path.is_file()]:
        return f"is listed in dataset.json, but there is no {', '.join(missing)}"
    if len(case.images) not in (1, n_files):
        return f"lists {len(case.images)} images in dataset.json, but {n_files} channels are declared"
    return ""


def _ending(cases: tuple[Case, ...], declared: Mapping[str, Any]) -> str:
    if cases:
        return most_common_ending(case.segmentation for case in cases if case.segmentation)
    return str(declared.get("file_ending", ".nii.gz"))


def _note_ending(cases: tuple[Case, ...], declared: Mapping[str, Any]) -> tuple[str, ...]:
    said, found = declared.get("file_ending"), _ending(cases, declared)
    if said is None:
        return (f"dataset.json gives no file_ending; the segmentations have {found}.",)
    return () if said == found else (f"dataset.json says file_ending {said}, but the segmentations have {found}.",)
