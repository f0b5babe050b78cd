"""What does a dataset.json declare? The parts that nnU-Net's and the Decathlon's file have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoseg.data.declared_regions import ORDER, are_regions, describe_regions, make_labels
from autoseg.data.labels import Labels
from autoseg.errors import AutosegError, DatasetError
from autoseg.serialization import read_json

IGNORE_NAME = "ignore"
BACKGROUND = "background"


def read_declarations(path: Path) -> dict[str, Any]:
    """Read dataset.json. Raises DatasetError if it is no JSON object."""
    try:
        declared = read_json(path)
    except AutosegError as problem:
        raise DatasetError(str(problem)) from None
    if not isinstance(declared, dict):
        raise DatasetError(f"{path}: must hold an object {{...}}, but holds a {type(declared).__name__}.")
    return declared


def parse_channels(declared: Mapping[str, Any], where: Path) -> tuple[str, ...]:
    """Channel names out of `channel_names` or `modality`: {"0": "CT", "1": "PET"}."""
    key = "channel_names" if "channel_names" in declared else "modality"
    names = declared.get(key)
    if isinstance(names, list):
        names = {str(i): name for i, name in enumerate(names)}
    if not isinstance(names, dict) or not names:
        raise DatasetError(f'{where}: names no channels. Add "channel_names": {{"0": "CT"}} or what your channels are.')
    if sorted(names, key=str) != sorted(str(i) for i in range(len(names))):
        raise DatasetError(
            f"{where}: {key} must number the channels 0 to {len(names) - 1}, but has {', '.join(map(str, names))}."
        )
    return tuple(str(names[str(i)]) for i in range(len(names)))


def parse_labels(declared: Mapping[str, Any], where: Path) -> tuple[Labels, tuple[str, ...]]:
    """Labels out of {"background": 0, "liver": 1} or the other way round, and notes on what was mapped.

    An entry with several numbers is a region, and makes regions of all; see `declared_regions`.
    """
    entries = declared.get("labels")
    if not isinstance(entries, dict) or not entries:
        raise DatasetError(f'{where}: declares no labels. Add "labels": {{"background": 0, "liver": 1}}.')
    named = _numbers_by_name(entries, where)
    ignored = named.pop(IGNORE_NAME, None)
    if ignored is not None and len(ignored) != 1:
        raise DatasetError(f"{where}: the ignore label must be one whole number, but is {list(ignored)}.")
    ignore_value = ignored[0] if ignored else None
    if ignore_value == 0:
        raise DatasetError(f"{where}: the ignore label is 0, which is the background. Give it a number of its own.")
    name_of_zero = _find_background(named, where)
    foreground = {name: numbers for name, numbers in named.items() if name != name_of_zero}
    if not foreground:
        raise DatasetError(f"{where}: declares no label but the background, so that there is nothing to learn.")
    if are_regions(foreground):
        labels = make_labels(foreground, declared, ignore_value, where)
    else:
        labels = _make_plain_labels({name: numbers[0] for name, numbers in foreground.items()}, ignore_value, where)
    return labels, _notes(labels, name_of_zero, declared)


def _find_background(named: Mapping[str, tuple[int, ...]], where: Path) -> str:
    names = [name for name, numbers in named.items() if numbers == (0,)]
    if not names:
        shown = [list(numbers) if len(numbers) != 1 else numbers[0] for numbers in named.values()]
        raise DatasetError(f'{where}: labels need "background": 0, but the numbers are {shown}.')
    if len(names) > 1:
        raise DatasetError(f"{where}: two labels share a number: {', '.join(names)} are 0. Give each its own.")
    return names[0]


def _make_plain_labels(named: Mapping[str, int], ignore_value: int | None, where: Path) -> Labels:
    values = sorted(named.values())
    if len(set(values)) < len(values) or ignore_value in values:
        raise DatasetError(f"{where}: two labels share a number: {dict(named)}. Give each its own.")
    names = {value: name for name, value in named.items()}
    return Labels(
        names=(BACKGROUND, *(names[value] for value in values)), values=(0, *values), ignore_value=ignore_value
    )


def _notes(labels: Labels, name_of_zero: str, declared: Mapping[str, Any]) -> tuple[str, ...]:
    notes = []
    if name_of_zero != BACKGROUND:
        notes.append(f"Label 0 is called {name_of_zero} in dataset.json and background here.")
    if not labels.are_as_in_files:
        notes.append(f"Numbers in the files are mapped to labels: {describe_mapping(labels)}.")
    if labels.ignore_value is not None:
        notes.append(f"Voxels with number {labels.ignore_value} are not annotated and are ignored.")
    if labels.regions:
        notes.append(f"Regions are learned in place of labels: {describe_regions(labels)}.")
    elif ORDER in declared:
        notes.append(f"{ORDER} in dataset.json is not used, for no label has several numbers.")
    return tuple(notes)


def describe_mapping(labels: Labels) -> str:
    """`0 -> 0 background, 255 -> 1 foreground`."""
    return ", ".join(f"{value} -> {i} {labels.names[i]}" for i, value in enumerate(labels.values))


def _numbers_by_name(entries: Mapping[str, Any], where: Path) -> dict[str, tuple[int, ...]]:
    is_inverted = all(_is_number(key) and not _is_number(value) for key, value in entries.items())
    if is_inverted and not any(isinstance(value, list) for value in entries.values()):
        names = [str(name) for name in entries.values()]
        if len(set(names)) < len(names):
            raise DatasetError(f"{where}: two labels share a name: {', '.join(names)}. Give each its own.")
        return {str(name): (int(number),) for number, name in entries.items()}
    return {str(name): _parse_numbers(name, value, where) for name, value in entries.items()}


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and str(value).strip().lstrip("-").isdigit()


def _parse_numbers(name: str, value: Any, where: Path) -> tuple[int, ...]:
    """A label's number, or the numbers of a region, each once."""
    several = value if isinstance(value, list | tuple) else [value]
    if not all(map(_is_number, several)):
        kind = "a list of whole numbers" if isinstance(value, list | tuple) else "a whole number"
        raise DatasetError(f"{where}: label {name} must be {kind}, but is {value!r}.")
    return tuple(dict.fromkeys(map(int, several)))


def parse_n_cases(declared: Mapping[str, Any], where: Path) -> int | None:
    """The number of training cases that the file announces, None if it announces none."""
    n_cases = declared.get("numTraining")
    if n_cases is not None and not _is_number(n_cases):
        raise DatasetError(f"{where}: numTraining must be a whole number, but is {n_cases!r}.")
    return None if n_cases is None else int(n_cases)
