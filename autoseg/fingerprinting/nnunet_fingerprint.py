"""How does nnU-Net's `dataset_fingerprint.json` become a fingerprint of autoseg's?

Source: the file as nnU-Net 2.8 writes it: `spacings` and `shapes_after_crop`, one entry per case in (z, y, x);
`foreground_intensity_properties_per_channel` by number of the channel; `median_relative_size_after_cropping`. It keeps
no case ids. Names of channels and labels stand in the `dataset.json` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoseg.data.declarations import parse_channels, parse_labels, parse_n_cases, read_declarations
from autoseg.errors import DatasetError
from autoseg.fingerprinting.fingerprint import Intensities, Oddity

SPACINGS, SHAPES = "spacings", "shapes_after_crop"
INTENSITIES = (
    "foreground_intensity_properties_per_channel",
    "foreground_intensities_per_channel",
)  # new name, old name
MEDIAN_SHARE = "median_relative_size_after_cropping"


def is_nnunet_fingerprint(content: Mapping[str, Any]) -> bool:
    """Whether the content of a JSON file is nnU-Net's."""
    return SPACINGS in content and SHAPES in content


def translate_nnunet_fingerprint(content: Mapping[str, Any], *, where: Path, declarations: Path) -> dict[str, Any]:
    """The same facts as autoseg's file holds them.

    Args:
        content: what the file holds.
        where: the file, for errors.
        declarations: the dataset.json that names channels and labels.

    Raises:
        DatasetError: there is no dataset.json, it is wrong, or the file's lists contradict each other.
    """
    if not declarations.is_file():
        raise DatasetError(
            f"{where}: is nnU-Net's and names neither channels nor labels; these stand in the dataset.json of the same "
            f"dataset, but there is no {declarations}. Copy it there, or name it."
        )
    declared = read_declarations(declarations)
    channels = parse_channels(declared, declarations)
    translated = {
        "dataset": where.absolute().parent.name,
        "channels": channels,
        "labels": parse_labels(declared, declarations)[0],
        "intensities": _translate_intensities(content, len(channels), where),
        "cases": _translate_cases(content, where),
    }
    if MEDIAN_SHARE in content:
        translated["median_share_after_cropping"] = content[MEDIAN_SHARE]
    return translated


def note_number_of_cases(n_cases: int, declarations: Path) -> tuple[Oddity, ...]:
    """An oddity where `numTraining` of dataset.json is another number than that of the cases."""
    declared = parse_n_cases(read_declarations(declarations), declarations)
    if declared is None or declared == n_cases:
        return ()
    text = f"{declarations.name} declares {declared} training cases (numTraining), but the fingerprint has {n_cases}."
    return (Oddity(kind="n_cases", where=declarations.name, message=f"{text} The fingerprint's are planned for."),)


def _translate_cases(content: Mapping[str, Any], where: Path) -> list[dict[str, Any]]:
    spacings, shapes = content[SPACINGS], content[SHAPES]
    for name, values in ((SPACINGS, spacings), (SHAPES, shapes)):
        if not isinstance(values, list) or not values:
            raise DatasetError(f"{where}: {name} must list the cases, but is {str(values)[:80]!r}.")
    if len(spacings) != len(shapes):
        raise DatasetError(f"{where}: has {len(spacings)} {SPACINGS}, but {len(shapes)} {SHAPES}. Extract it anew.")
    return [
        {"spacing_mm": spacing, "shape_after_cropping": shape} for spacing, shape in zip(spacings, shapes, strict=True)
    ]


def _translate_intensities(content: Mapping[str, Any], n_channels: int, where: Path) -> list[dict[str, Any]]:
    key = next((name for name in INTENSITIES if name in content), None)
    if key is None:
        return []
    found = content[key]
    numbers = [str(index) for index in range(n_channels)]
    if not isinstance(found, dict) or sorted(found) != sorted(numbers):
        raise DatasetError(
            f"{where}: {key} must number the {n_channels} channels of dataset.json 0 to {n_channels - 1}, but has "
            f"{', '.join(map(str, found))}. Are the two files of one dataset?"
        )
    for number in numbers:
        if not isinstance(found[number], dict):
            raise DatasetError(
                f"{where}: {key}.{number} must hold the statistics of a channel by name, but is "
                f"{str(found[number])[:80]!r}. Extract it anew."
            )
    return [{name: found[number].get(name) for name in Intensities.model_fields} for number in numbers]
