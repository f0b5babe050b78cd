"""How is a folder without any dataset.json read? `images/` and `labels/` with matching names; the files tell the rest.

Channels come from the first image that can be read, labels from the numbers that all segmentations hold. Everything
that is assumed or mapped becomes a note.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from autoseg.data.dataset import Case, Dataset
from autoseg.data.declarations import BACKGROUND, describe_mapping
from autoseg.data.image_io import PICTURE_ENDINGS, read_header, read_segmentation
from autoseg.data.labels import Labels
from autoseg.data.listing import Groups, channel_of, group_by_case, group_by_stem, list_images, most_common_ending
from autoseg.data.nnunet_layout import find_test_cases, match_cases
from autoseg.data.parallel import map_in_threads
from autoseg.errors import AutosegError, DatasetError

IMAGE_FOLDERS = ("images", "imagesTr")
LABEL_FOLDERS = ("labels", "labelsTr", "masks", "segmentations")
TEST_FOLDER = "imagesTs"
MAX_LABELS = 256  # more distinct numbers than this are an image and no segmentation
LARGEST_COUNT = 1 << 16  # numbers up to here are counted in place of being sorted


def find_plain_folders(folder: Path) -> tuple[Path, Path] | None:
    """The folders of images and of segmentations, whatever the case of their letters; None unless both are there."""
    by_name = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    images = next((by_name[name.lower()] for name in IMAGE_FOLDERS if name.lower() in by_name), None)
    labels = next((by_name[name.lower()] for name in LABEL_FOLDERS if name.lower() in by_name), None)
    return (images, labels) if images and labels else None


def read_plain(folder: Path, images_folder: Path, labels_folder: Path) -> Dataset:
    """Read a folder of images and a folder of segmentations. Raises DatasetError."""
    references = group_by_stem(list_images(labels_folder))
    images = group_by_case(list_images(images_folder), references, suffixes_expected=False)
    n_files = _count_files(images)
    matched, incomplete = match_cases(images, references, n_files)
    channels = _name_channels(matched, folder)
    cases, values, unreadable = _scan_values(matched)
    if not cases:
        raise DatasetError(next(iter(unreadable.values())))
    labels = _name_labels(values, labels_folder)
    tests, incomplete_tests = find_test_cases(folder / TEST_FOLDER, n_files)
    return Dataset(
        name=folder.name,
        folder=folder,
        layout="plain",
        channels=channels,
        labels=labels,
        cases=cases,
        test_cases=tests,
        file_ending=_lossless(most_common_ending(case.segmentation for case in cases if case.segmentation)),
        notes=_notes(channels, labels, len(cases)),
        incomplete=incomplete | unreadable | incomplete_tests,
    )


def _count_files(images: Groups) -> int:
    """How many files most cases have: one, or one per channel."""
    counts = Counter(len(files) if channel_of(files[0]) is not None else 1 for files in images.values())
    return max(counts, key=lambda n: (counts[n], n), default=1)


def _name_channels(cases: Iterable[Case], folder: Path) -> tuple[str, ...]:
    problem = DatasetError(
        f"{folder}: no image has a segmentation of the same name. Name both alike: images/a.png, labels/a.png."
    )
    for case in cases:
        try:
            n_channels = sum(read_header(path).n_channels for path in case.images)
        except DatasetError as unreadable:
            problem = unreadable
            continue
        is_colour = n_channels == 3 and case.images[0].name.lower().endswith(PICTURE_ENDINGS)
        if is_colour and len(case.images) == 1:
            return ("red", "green", "blue")
        return ("image",) if n_channels == 1 else tuple(f"channel_{i}" for i in range(n_channels))
    raise problem


def _scan_values(cases: tuple[Case, ...]) -> tuple[tuple[Case, ...], set[int], dict[str, str]]:
    """Collect the numbers of all segmentations, one in memory at a time per thread.

    Returns:
        cases whose segmentation can be read, the numbers they hold, and what is wrong with the others.
    """
    values: set[int] = set()
    unreadable: dict[str, str] = {}
    for case, found in zip(cases, map_in_threads(_values_or_problem, cases), strict=True):
        if isinstance(found, str):
            unreadable[case.id] = found
        else:
            values |= found
    return tuple(case for case in cases if case.id not in unreadable), values, unreadable


def _values_or_problem(case: Case) -> set[int] | str:
    try:
        assert case.segmentation is not None
        return distinct_values(read_segmentation(case.segmentation)[0])
    except AutosegError as problem:
        return str(problem)


def distinct_values(segmentation: np.ndarray) -> set[int]:
    """The numbers that a segmentation of integers holds."""
    if segmentation.dtype.kind == "u" and segmentation.max(initial=0) < LARGEST_COUNT:
        return set(np.flatnonzero(np.bincount(segmentation.ravel())).tolist())
    return set(np.unique(segmentation).tolist())


def _name_labels(values: set[int], labels_folder: Path) -> Labels:
    foreground = sorted(values - {0})
    if len(values) > MAX_LABELS:
        raise DatasetError(
            f"{labels_folder}: the files hold {len(values)} distinct numbers between {min(values)} and {max(values)}, "
            f"but a segmentation has at most {MAX_LABELS} labels. "
            "Are these images, or instances that need a number per kind?"
        )
    if not foreground:
        raise DatasetError(f"{labels_folder}: every segmentation is empty, so that there is nothing to learn.")
    if foreground[0] < 0:
        raise DatasetError(
            f"{labels_folder}: the files hold {foreground[0]}, which cannot be a label by itself. Write a dataset.json "
            f'that names it, e.g. "labels": {{"background": 0, "organ": 1, "ignore": {foreground[0]}}}.'
        )
    names = ("foreground",) if foreground in ([1], [255]) else tuple(f"label_{value}" for value in foreground)
    return Labels(names=(BACKGROUND, *names), values=(0, *foreground))


def _notes(channels: tuple[str, ...], labels: Labels, n_cases: int) -> tuple[str, ...]:
    assumed = f"There is no dataset.json: channels ({', '.join(channels)}) are taken from the first image"
    found = f"labels ({', '.join(labels.names)}) from the numbers in {n_cases} segmentations."
    if labels.are_as_in_files:
        return (f"{assumed}, {found}",)
    return (f"{assumed}, {found}", f"Numbers in the files are mapped to labels: {describe_mapping(labels)}.")


def _lossless(ending: str) -> str:
    return ".png" if ending in (".jpg", ".jpeg") else ending
