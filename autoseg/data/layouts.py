"""Which files are the dataset, and which are the images to segment? Three layouts are read as they come.

nnunet     dataset.json, imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz
decathlon  dataset.json with "training": [{"image": ..., "label": ...}]
plain      images/NAME.png and labels/NAME.png, no dataset.json
"""

from __future__ import annotations

import os
from pathlib import Path

from autoseg.data.annotated import mark_cases
from autoseg.data.dataset import Case, Dataset, name_cases
from autoseg.data.decathlon_layout import read_decathlon
from autoseg.data.declarations import read_declarations
from autoseg.data.image_io import ENDINGS, read_header, split_ending
from autoseg.data.listing import channel_of, describe_gap, group_by_case, group_by_stem, list_images, stem_of
from autoseg.data.nnunet_layout import read_nnunet
from autoseg.data.plain_layout import find_plain_folders, read_plain
from autoseg.errors import DatasetError, UsageError

ACCEPTED_LAYOUTS = (
    "Accepted: dataset.json with imagesTr/CASE_0000.nii.gz and labelsTr/CASE.nii.gz (nnU-Net); dataset.json with "
    '"training": [{"image": ..., "label": ...}] (Medical Segmentation Decathlon); images/ and labels/ with files of '
    "the same name and no dataset.json"
)


def read_dataset(folder: Path) -> Dataset:
    """Read a dataset as it comes.

    Cases whose files are incomplete are left out and described in `Dataset.incomplete`; `checking` reports them.

    Raises:
        DatasetError: there is no such folder, no layout fits, dataset.json is wrong, or no case is complete.
    """
    folder = Path(os.path.abspath(folder))
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder. {ACCEPTED_LAYOUTS}.")
    dataset = _read_layout(folder)
    if not dataset.cases:
        first = [f"{case_id} {gap}" for case_id, gap in dataset.incomplete.items()]
        details = f" ({'; '.join(first[:3])})" if first else ""
        raise DatasetError(f"{folder}: no case has both an image and a segmentation{details}. {ACCEPTED_LAYOUTS}.")
    return dataset.model_copy(update={"notes": dataset.notes + _note_incomplete(dataset)})


def _read_layout(folder: Path) -> Dataset:
    if (folder / "dataset.json").is_file():
        declared = read_declarations(folder / "dataset.json")
        is_decathlon = isinstance(declared.get("training"), list) and "channel_names" not in declared
        dataset = read_decathlon(folder, declared) if is_decathlon else read_nnunet(folder, declared)
        return mark_cases(dataset, declared)
    if folders := find_plain_folders(folder):
        return read_plain(folder, *folders)
    raise DatasetError(f"{folder}: is no dataset that autoseg can read. {ACCEPTED_LAYOUTS}.")


def _note_incomplete(dataset: Dataset) -> tuple[str, ...]:
    if not dataset.incomplete:
        return ()
    return (f"Left out because their files are incomplete or unreadable: {name_cases(dataset.incomplete)}.",)


def find_images(path: Path, n_channels: int) -> tuple[Case, ...]:
    """Find the images to segment: one file, or all of a folder.

    `CASE_0000`, `CASE_0001`, ... become one case where there is one file for each channel; other names are free, and
    each file is a case that holds all channels.

    Args:
        path: file or folder; of a file with a channel number the other channels are found beside it.
        n_channels: channels that the model expects.

    Returns:
        cases sorted by id, without segmentations.

    Raises:
        UsageError: there is no such path.
        DatasetError: no image, an unsupported format, a case with missing channels, or two files for one case.
    """
    if path.is_file():
        return (_find_case_of_file(path, n_channels),)
    if not path.is_dir():
        raise UsageError(f"{path}: there is no such file or folder of images.")
    files = list_images(path)
    if not files:
        raise DatasetError(f"{path}: holds no images{_hint_subfolders(path)}. Supported endings: {', '.join(ENDINGS)}.")
    return _group_images(files, n_channels)


def _hint_subfolders(path: Path) -> str:
    filled = [child.name for child in sorted(path.iterdir()) if child.is_dir() and list_images(child)]
    return f", but {', '.join(filled)} inside it {'do' if len(filled) > 1 else 'does'}" if filled else ""


def _find_case_of_file(path: Path, n_channels: int) -> Case:
    if not split_ending(path.name)[1]:
        raise DatasetError(f"{path}: the format is not supported. Supported endings: {', '.join(ENDINGS)}.")
    if channel_of(path) is None:
        return Case(id=stem_of(path), images=(path,))
    siblings = group_by_case(list_images(path.parent), (), suffixes_expected=True)
    its_files = next(files for files in siblings.values() if path in files)
    cases = _group_images(its_files if channel_of(path) == 0 else [path], n_channels)
    return next(case for case in cases if path in case.images)


def _group_images(files: list[Path], n_channels: int) -> tuple[Case, ...]:
    cases: list[Case] = []
    for case_id, images in group_by_case(files, (), suffixes_expected=True).items():
        gap = describe_gap(case_id, images, n_channels)
        if not gap and _hold_one_case(images, n_channels):
            cases.append(Case(id=case_id, images=tuple(images)))
        else:
            cases.extend(_take_as_free_names(images, n_channels, f"{images[0].parent}: {case_id} {gap}"))
    return tuple(sorted(cases, key=lambda case: case.id))


def _hold_one_case(images: list[Path], n_channels: int) -> bool:
    """Whether files that are numbered like channels are channels, and not numbered pictures with all channels."""
    return len(images) == 1 or n_channels == 1 or read_header(images[0]).n_channels < n_channels


def _take_as_free_names(images: list[Path], n_channels: int, complaint: str) -> list[Case]:
    groups = group_by_stem(images)
    if any(len(same) > 1 for same in groups.values()) or read_header(images[0]).n_channels != n_channels:
        raise DatasetError(f"{complaint}. Expected {n_channels} channels per case: one file each or one file with all.")
    return [Case(id=stem, images=(same[0],)) for stem, same in groups.items()]
