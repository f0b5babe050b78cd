"""What does a dataset.json declare? The parts that nnU-Net's and the Decathlon's file have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    """Labels out of {"background": 0, "liver": 1} or the other way round, and notes on what was mapped."""
    entries = declared.get("labels")
    if not isinstance(entries, dict) or not entries:
        raise DatasetError(f'{where}: declares no labels. Add "labels": {{"background": 0, "liver": 1}}.')
    named = _numbers_by_name(entries, where)
    ignore_value = named.pop(IGNORE_NAME, None)
    values = sorted(named.values(), key=lambda value: (value != 0, value))
    if values[:1] != [0]:
        raise DatasetError(f'{where}: labels need "background": 0, but the numbers are {values}.')
    if len(set(values)) < len(values) or ignore_value in values:
        raise DatasetError(f"{where}: two labels share a number: {named}. Give each its own.")
    if len(values) < 2:
        raise DatasetError(f"{where}: declares no label but the background, so that there is nothing to learn.")
    names = {value: name for name, value in named.items()}
    labels = Labels(
        names=(BACKGROUND, *(names[value] for value in values[1:])), values=tuple(values), ignore_value=ignore_value
    )
    return labels, _notes(labels, names[0])


def _notes(labels: Labels, name_of_zero: str) -> tuple[str, ...]:
    notes = []
    if name_of_zero != BACKGROUND:
        notes.append(f"Label 0 is called {name_of_zero} in dataset.json and background here.")
    if not labels.are_as_in_files:
        notes.append(f"Numbers in the files are mapped to labels: {describe_mapping(labels)}.")
    if labels.ignore_value is not None:
        notes.append(f"Voxels with number {labels.ignore_value} are not annotated and are ignored.")
    return tuple(notes)


def describe_mapping(labels: Labels) -> str:
    """`0 -> 0 background, 255 -> 1 foreground`."""
    return ", ".join(f"{value} -> {i} {labels.names[i]}" for i, value in enumerate(labels.values))


def _numbers_by_name(entries: Mapping[str, Any], where: Path) -> dict[str, int]:
    is_inverted = all(_is_number(key) and not _is_number(value) for key, value in entries.items())
    if is_inverted and not any(isinstance(value, list) for value in entries.values()):
        names = [str(name) for name in entries.values()]
        if len(set(names)) < len(names):
            raise DatasetError(f"{where}: two labels share a name: {', '.join(names)}. Give each its own.")
        return {str(name): int(number) for number, name in entries.items()}
    return {str(name): _parse_number(name, value, where) for name, value in entries.items()}


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and str(value).strip().lstrip("-").isdigit()


def _parse_number(name: str, value: Any, where: Path) -> int:
    if isinstance(value, list | tuple):
        raise DatasetError(
            f"{where}: label {name} is the region {value}, but this version of autoseg learns plain labels only. "
            "Give each label one number."
        )
    if not _is_number(value):
        raise DatasetError(f"{where}: label {name} must be a whole number, but is {value!r}.")
    return int(value)


def parse_n_cases(declared: Mapping[str, Any], where: Path) -> int | None:
    """The number of training cases that the file announces, None if it announces none."""
    n_cases = declared.get("numTraining")
    if n_cases is not None and not _is_number(n_cases):
        raise DatasetError(f"{where}: numTraining must be a whole number, but is {n_cases!r}.")
    return None if n_cases is None else int(n_cases)
