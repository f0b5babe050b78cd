"""How is a fingerprint read from a file that another computer, nnU-Net or a person has written?

`plans/FINGERPRINT.md` describes the file. Needed are `channels`, `labels` and, per case, `spacing_mm` and
`shape_after_cropping`; what follows from the facts that are there (sides, oddities) is found on reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic

from autoseg.data.declarations import BACKGROUND, parse_labels
from autoseg.data.declared_regions import ORDER
from autoseg.data.labels import Labels, find_region_problems
from autoseg.errors import AutosegError, DatasetError
from autoseg.fingerprinting.fingerprint import FORMAT, QUANTILE_LEVELS, CaseFacts, Fingerprint, Intensities
from autoseg.fingerprinting.nnunet_fingerprint import (
    is_nnunet_fingerprint,
    note_number_of_cases,
    translate_nnunet_fingerprint,
)
from autoseg.fingerprinting.outliers import find_oddities
from autoseg.fingerprinting.sides import find_side_pairs
from autoseg.serialization import did_you_mean, parse_record, read_json

MOST_EQUAL_CASES = 100_000  # that one entry stands for; each becomes an object of its own
MAX_PROBLEMS = 20  # lines; a mistake that every case repeats is told often enough
PLACEHOLDER = Labels(names=(BACKGROUND, "unknown"), values=(0, 1))  # while the rest of a file is checked
NEEDED = (
    '{"channels": ["CT"], "labels": {"background": 0, "tumour": 1}, '
    '"cases": [{"spacing_mm": [z, y, x], "shape_after_cropping": [z, y, x]}]}'
)


class _CaseAsWritten(CaseFacts):
    """A case that a file may hold once for several equal ones."""

    repeat: int = pydantic.Field(default=1, ge=1, le=MOST_EQUAL_CASES)


class _FingerprintAsWritten(Fingerprint):
    dataset: str = ""
    cases: tuple[_CaseAsWritten, ...]


def read_fingerprint(path: Path, declarations: Path | None = None) -> Fingerprint:
    """Read a fingerprint.

    Args:
        path: a JSON file as autoseg or a person writes it, or nnU-Net's `dataset_fingerprint.json`.
        declarations: for nnU-Net's, its dataset.json; by default the one beside it.

    Returns:
        The fingerprint, with its side pairs, its warnings and an id for every case.

    Raises:
        AutosegError: the file is no fingerprint; every problem of it is one line.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: a fingerprint is an object like {NEEDED}, but this is a {type(content).__name__}.")
    if not is_nnunet_fingerprint(content):
        return parse_fingerprint(content, where=path)
    declarations = declarations or path.parent / "dataset.json"
    translated = translate_nnunet_fingerprint(content, where=path, declarations=declarations)
    fingerprint = parse_fingerprint(translated, where=path)
    notes = note_number_of_cases(fingerprint.n_cases, declarations)
    return fingerprint.model_copy(update={"warnings": (*notes, *fingerprint.warnings)})


def parse_fingerprint(content: Mapping[str, Any], *, where: Path) -> Fingerprint:
    """Make a fingerprint of what a file holds, short forms and all; see `read_fingerprint`."""
    problems: list[str] = []
    channels = content.get("channels")
    if isinstance(channels, dict):  # as in nnU-Net's dataset.json: {"0": "CT"}
        channels = list(channels.values())
    content = {**content, "labels": _parse_labels(content, where, problems)}
    content |= {} if channels is None else {"channels": channels}
    if isinstance(content["labels"], Labels) and content["labels"].regions:
        content.pop(ORDER, None)  # is part of the labels by now
    try:
        written = parse_record(_FingerprintAsWritten, content, where=str(where), error=DatasetError)
        problems += [f"{where}: {problem}" for problem in _find_contradictions(written)]
    except AutosegError as problem:
        problems += str(problem).split("\n")
    if problems:
        rest = len(problems) - MAX_PROBLEMS
        more = [f"{where}: and {rest} more problems."] if rest > 0 else []
        raise DatasetError("\n".join(problems[:MAX_PROBLEMS] + more))
    return _complete(written, is_current=content.get("autoseg_fingerprint", FORMAT) == FORMAT, where=where)


def _parse_labels(content: Mapping[str, Any], where: Path, problems: list[str]) -> Any:
    """Labels out of the whole record, of {"background": 0, "tumour": 1} or of ["background", "tumour"]."""
    labels = content.get("labels")
    if isinstance(labels, Labels) or (isinstance(labels, dict) and {"names", "values"} & set(labels)):
        return labels
    if isinstance(labels, list):
        labels = {str(name): value for value, name in enumerate(labels)}
    try:
        return parse_labels({"labels": labels, ORDER: content.get(ORDER)}, where)[0]
    except AutosegError as problem:
        problems.append(str(problem))
        return PLACEHOLDER


def _find_contradictions(written: Fingerprint) -> Iterator[str]:
    """What is wrong between the keys of a file whose single values are right."""
    labels, n_channels = written.labels, len(written.channels)
    if written.autoseg_fingerprint > FORMAT:
        yield (
            f"autoseg_fingerprint is {written.autoseg_fingerprint}, but this version of autoseg reads formats up to "
            f"{FORMAT}. Update autoseg."
        )
    if not written.cases:
        yield "cases is empty, but a plan needs the spacing and the shape of at least one case."
    if not n_channels:
        yield 'channels is empty. Name at least one, e.g. ["CT"].'
    if len(labels.names) != len(labels.values) or labels.values[:1] != (0,) or labels.n_labels < 2:
        yield (
            f"labels has the names {list(labels.names)} and the values {list(labels.values)}, but needs one value per "
            "name, the background with 0 first, and one label besides."
        )
    yield from (f"labels: {problem}" for problem in find_region_problems(labels))
    yield from _find_wrong_intensities(written.intensities, n_channels)
    for pair in written.side_pairs:
        yield from _find_unknown_names("side_pairs", (pair.left, pair.right), labels)
    for index, facts in enumerate(written.cases):
        for problem in _find_contradictions_of_case(facts, n_channels, labels.n_labels - 1):
            yield f"cases.{index}.{problem}"
        yield from _find_unknown_names(f"cases.{index}.annotated", facts.annotated or (), labels)
    counts = Counter(facts.id for facts in written.cases if facts.id)
    for case_id in (case_id for case_id, n_times in counts.items() if n_times > 1):
        yield f"cases: {counts[case_id]} cases are called {case_id}. Give each its own id, or none."


def _find_wrong_intensities(intensities: Sequence[Intensities | None], n_channels: int) -> Iterator[str]:
    if len(intensities) not in (0, n_channels):
        yield f"intensities has {len(intensities)} entries, but there are {n_channels} channels. One for each."
    for index, one in enumerate(intensities):
        if one is not None and (one.std < 0 or one.percentile_00_5 > one.percentile_99_5):
            yield (
                f"intensities.{index} has a deviation of {one.std:g} and percentiles from {one.percentile_00_5:g} to "
                f"{one.percentile_99_5:g}. A deviation is not negative, and the 0.5th percentile is the smaller one."
            )


def _find_unknown_names(where: str, names: Sequence[str], labels: Labels) -> Iterator[str]:
    known = tuple(dict.fromkeys((*labels.names, *labels.output_names)))
    for name in names:
        if name not in known:
            yield f"{where}: there is no label {name}.{did_you_mean(name, known)}"


def _find_contradictions_of_case(facts: CaseFacts, n_channels: int, n_foreground: int) -> Iterator[str]:
    for name in ("channel_ranges", "foreground"):
        yield from _find_wrong_length(name, facts, n_channels, "channels")
    for name in ("label_voxels", "label_components", "label_centres"):
        yield from _find_wrong_length(name, facts, n_foreground, "labels besides the background")
    for index, (n_voxels, centre) in enumerate(zip(facts.label_voxels, facts.label_centres, strict=False)):
        if n_voxels < 1 and centre is not None:
            yield f"label_centres[{index}] is {centre}, but label_voxels[{index}] is {n_voxels}. Write null for it."
    for sample in facts.foreground:
        if len(sample.quantiles) != len(QUANTILE_LEVELS):
            yield f"foreground has {len(sample.quantiles)} quantiles, expected {len(QUANTILE_LEVELS)}."
    if facts.shape is not None and np.greater(facts.shape_after_cropping, facts.shape).any():
        yield f"shape_after_cropping is {facts.shape_after_cropping}, larger than the shape {facts.shape} before."


def _find_wrong_length(name: str, facts: CaseFacts, n_expected: int, what: str) -> Iterator[str]:
    n_found = len(getattr(facts, name))
    if n_found not in (0, n_expected):
        yield f"{name} has {n_found} entries, but there are {n_expected} {what}. One for each, or none."


def _complete(written: _FingerprintAsWritten, *, is_current: bool, where: Path) -> Fingerprint:
    """Spell out what the file left to be found: equal cases, ids, and what follows from the facts."""
    stated = written.model_fields_set if is_current else written.model_fields_set - {"side_pairs", "warnings"}
    cases = tuple(_repeat_cases(written.cases))
    facts: dict[str, Any] = {name: getattr(written, name) for name in Fingerprint.model_fields}
    facts |= {"cases": cases, "dataset": written.dataset or where.stem, "autoseg_fingerprint": FORMAT}
    if "median_share_after_cropping" not in stated:
        facts["median_share_after_cropping"] = float(np.median([case.share_after_cropping for case in cases]))
    if "side_pairs" not in stated:
        facts["side_pairs"] = find_side_pairs(cases, written.labels)
    if "warnings" not in stated:
        facts["warnings"] = find_oddities(
            cases, channels=written.channels, labels=written.labels, side_pairs=facts["side_pairs"]
        )
    return Fingerprint(**facts)


def _repeat_cases(written: tuple[_CaseAsWritten, ...]) -> Iterator[CaseFacts]:
    """Every case as often as it says, with an id."""
    numbered = iter(number_cases(sum(case.repeat for case in written if not case.id), "case"))
    for case in written:
        facts = {name: getattr(case, name) for name in CaseFacts.model_fields}
        ids = [case.id] if case.repeat == 1 else number_cases(case.repeat, case.id)
        for case_id in ids if case.id else (next(numbered) for _ in range(case.repeat)):
            yield CaseFacts(**{**facts, "id": case_id})


def number_cases(n_cases: int, name: str) -> list[str]:
    """`case_001`, `case_002`, ..., as wide as the last."""
    width = max(3, len(str(n_cases)))
    return [f"{name}_{number:0{width}}" for number in range(1, n_cases + 1)]
