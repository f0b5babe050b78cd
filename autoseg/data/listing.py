"""Which files of a folder belong together? By their names alone: `CASE_0000.nii.gz`, `CASE_0001.nii.gz`, `CASE.nii.gz`.

Four digits after the last underscore number a channel (the convention of nnU-Net) unless a segmentation has just that
name. Hidden files are nobody's images, `._*` of macOS archives least of all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable
from pathlib import Path

from autoseg.data.image_io import split_ending

CHANNEL_SUFFIX = re.compile(r"^(?P<case>.+)_(?P<channel>\d{4})$")

Groups = dict[str, list[Path]]


def list_images(folder: Path) -> list[Path]:
    """All visible files with a supported ending, sorted by name; none if there is no such folder."""
    if not folder.is_dir():
        return []
    files = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return sorted(path for path in files if split_ending(path.name)[1])


def stem_of(path: Path) -> str:
    """File name without its supported ending."""
    return split_ending(path.name)[0]


def channel_of(path: Path) -> int | None:
    """The channel that a file name numbers, None if it numbers none."""
    match = CHANNEL_SUFFIX.match(stem_of(path))
    return int(match["channel"]) if match else None


def group_by_stem(files: Iterable[Path]) -> Groups:
    """Files by their stem; more than one file where names differ in nothing but the ending."""
    groups: Groups = {}
    for path in files:
        groups.setdefault(stem_of(path), []).append(path)
    return groups


def group_by_case(files: Iterable[Path], known_ids: Container[str], *, suffixes_expected: bool) -> Groups:
    """Image files by case.

    Args:
        files: sorted paths.
        known_ids: ids that segmentations have.
        suffixes_expected: whether `CASE_0000` belongs to `CASE` even if no segmentation says so.
    """
    groups: Groups = {}
    for path in files:
        stem = stem_of(path)
        match = CHANNEL_SUFFIX.match(stem)
        is_channel = match and stem not in known_ids and (suffixes_expected or match["case"] in known_ids)
        groups.setdefault(match["case"] if match and is_channel else stem, []).append(path)
    return groups


def describe_gap(case_id: str, files: list[Path], n_files: int) -> str:
    """Say what is wrong with the image files of a case that needs `n_files`; "" if nothing is."""
    if not files:
        return "has a segmentation but no image"
    names = ", ".join(path.name for path in files)
    stems = Counter(stem_of(path) for path in files)
    if max(stems.values()) > 1:
        return f"has several files for one image ({names}); keep one of them"
    if stems.keys() == {case_id}:
        return ""
    expected = [f"{case_id}_{channel:04d}" for channel in range(n_files)]
    if list(stems) == expected:
        return ""
    if missing := [stem for stem in expected if stem not in stems]:
        return f"has {names}, but not {', '.join(missing)}"
    return f"has {names}, but only {n_files} channel{'s are' if n_files > 1 else ' is'} declared"


def describe_references(files: list[Path]) -> str:
    """Say what is wrong with the segmentation files of a case; "" if it has exactly one."""
    if not files:
        return "has an image but no segmentation"
    if len(files) > 1:
        return f"has several segmentations ({', '.join(path.name for path in files)}); keep one of them"
    return ""


def most_common_ending(files: Iterable[Path]) -> str:
    """The ending that most files have, in lower case; the first in alphabetical order among equals."""
    endings = Counter(split_ending(path.name)[1].lower() for path in files)
    return min(endings, key=lambda ending: (-endings[ending], ending))
