"""How is a folder of the Medical Segmentation Decathlon read? `dataset.json` lists every image with its segmentation.

    "modality": {"0": "MRI"}, "labels": {"0": "background", "1": "Anterior"},
    "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}], "test": ["./imagesTs/b.nii.gz"]

Source: Antonelli et al., Nature Communications 2022. The channels of an image are the fourth axis of its one file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autoseg.data.dataset import Case, Dataset
from autoseg.data.declarations import parse_channels, parse_labels, parse_n_cases
from autoseg.data.listing import most_common_ending, stem_of
from autoseg.errors import DatasetError


def read_decathlon(folder: Path, declared: Mapping[str, Any]) -> Dataset:
    """Read a Decathlon folder, given the content of its dataset.json. Raises DatasetError."""
    where = folder / "dataset.json"
    labels, notes = parse_labels(declared, where)
    listed = list(_training_cases(folder, declared))
    incomplete = _describe_incomplete(listed)
    cases = tuple(sorted((case for case in listed if case.id not in incomplete), key=lambda case: case.id))
    tests = list(_test_cases(folder, declared))
    incomplete |= {f"test/{case.id}": _describe_missing(case) for case in tests if _describe_missing(case)}
    return Dataset(
        name=folder.name,
        folder=folder,
        layout="decathlon",
        channels=parse_channels(declared, where),
        labels=labels,
        cases=cases,
        test_cases=tuple(sorted((case for case in tests if not _describe_missing(case)), key=lambda case: case.id)),
        file_ending=most_common_ending(case.segmentation for case in cases if case.segmentation)
        if cases
        else ".nii.gz",
        notes=notes,
        incomplete=incomplete,
        n_cases_declared=parse_n_cases(declared, where),
    )


def _training_cases(folder: Path, declared: Mapping[str, Any]) -> Iterator[Case]:
    for number, entry in enumerate(declared["training"]):
        place = f"{folder / 'dataset.json'}: training[{number}]"
        if not isinstance(entry, dict) or "image" not in entry or "label" not in entry:
            raise DatasetError(f'{place} must be {{"image": "./imagesTr/...", "label": "./labelsTr/..."}}.')
        image, label = _inside(folder, entry["image"], place), _inside(folder, entry["label"], place)
        if not image.name.startswith("._"):
            yield Case(id=stem_of(image), images=_channel_files(image), segmentation=label)


def _test_cases(folder: Path, declared: Mapping[str, Any]) -> Iterator[Case]:
    for number, entry in enumerate(declared.get("test", [])):
        place = f"{folder / 'dataset.json'}: test[{number}]"
        image = _inside(folder, entry["image"] if isinstance(entry, dict) and "image" in entry else entry, place)
        if not image.name.startswith("._"):
            yield Case(id=stem_of(image), images=_channel_files(image))


def _inside(folder: Path, entry: Any, place: str) -> Path:
    """A listed path, which must not lead out of the dataset's folder."""
    if not isinstance(entry, str):
        raise DatasetError(f"{place}: a path must be text, but is {entry!r}.")
    root = os.path.normpath(folder)
    path = Path(os.path.normpath(os.path.join(root, entry)))
    if not path.is_relative_to(root):
        raise DatasetError(f"{place}: {entry} leads out of the folder {folder}. List files inside it.")
    return path


def _channel_files(image: Path) -> tuple[Path, ...]:
    """The listed file, or, where it stands for CASE_0000, CASE_0001, ... (nnU-Net v1), those."""
    stem = stem_of(image)
    ending = image.name[len(stem) :]
    files: list[Path] = []
    while not image.is_file() and (channel := image.with_name(f"{stem}_{len(files):04d}{ending}")).is_file():
        files.append(channel)
    return tuple(files) or (image,)


def _describe_incomplete(listed: list[Case]) -> dict[str, str]:
    incomplete: dict[str, str] = {}
    seen: set[str] = set()
    for case in listed:
        if case.id in seen:
            incomplete[case.id] = "is listed more than once in dataset.json; keep one entry or rename a file"
        elif missing := _describe_missing(case):
            incomplete[case.id] = missing
        seen.add(case.id)
    return incomplete


def _describe_missing(case: Case) -> str:
    files = [*case.images, *([case.segmentation] if case.segmentation else [])]
    missing = [str(path) for path in files if not path.is_file()]
    return f"is listed in dataset.json, but there is no {', '.join(missing)}" if missing else ""
