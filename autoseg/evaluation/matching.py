"""Which prediction belongs to which reference, and which labels do they hold?

Cases are matched by file name without its ending. Labels come from a `dataset.json` beside or above the references,
else from the numbers in the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from autoseg.data.annotated import KEY, parse_annotated
from autoseg.data.declarations import parse_labels, read_declarations
from autoseg.data.labels import Labels
from autoseg.data.probability_reading import PROBABILITY
from autoseg.errors import AutosegError, DatasetError

REFERENCE_FOLDERS = ("labelsTr", "labelsTs", "labels")  # where a dataset keeps its references


def match_files(reference: Path, predicted: Path) -> tuple[dict[str, Path], dict[str, Path]]:
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
        if not ending or file.name.startswith(".") or file.name.endswith(f".{PROBABILITY}") or file.is_dir():
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


def find_annotated(reference: Path) -> dict[str, tuple[str, ...]]:
    """Names of what cases annotate, where a `dataset.json` says that it is not everything."""
    file = _find_dataset_json(reference)
    if file is None:
        return {}
    declared = read_declarations(file)
    if KEY not in declared:
        return {}
    return parse_annotated(declared, parse_labels(declared, file)[0], file)


def _find_dataset_json(reference: Path) -> Path | None:
    folder = reference.parent if reference.is_file() else reference
    files = (folder / "dataset.json", folder.resolve().parent / "dataset.json")
    return next((file for file in files if file.is_file()), None)


def measure_labels(wanted: Sequence[str], references: Mapping[str, Path], predictions: Mapping[str, Path]) -> Labels:
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


def find_unit(path: Path) -> str:
    """The unit of lengths of a file: `mm`, or `px` where its format stores no spacing.

    A file that cannot be read is told when it is its turn, and says `mm`.
    """
    from autoseg.data.image_io import read_header

    try:
        return "mm" if read_header(path).geometry.has_spacing else "px"
    except AutosegError:
        return "mm"
