"""What of a workspace may travel with its model?

What prediction needs, and what tells a stranger whether the model fits: channels, labels, ranges. Not the ids and files
of cases, nor paths; and of a single case no more than its grid, its orientation and its range of intensities, in an
order that says nothing: volumes and positions of labels are findings of a patient.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoseg.data.dataset import Dataset
from autoseg.evaluation.report import Report
from autoseg.fingerprinting.fingerprint import CaseFacts, Fingerprint
from autoseg.fingerprinting.fingerprint_file import number_cases
from autoseg.serialization import R, parse_record, to_plain

KEPT_OF_CASE = ("shape", "shape_after_cropping", "spacing_mm", "orientation", "dtype", "channel_ranges")
KEPT_OF_TRAINING = (
    "iterations",
    "skipped",
    "spent_s",
    "seed",
    "length",
    "base_length",
    "ended_early_at",
    "device",
    "processes",
    "precision",
    "engine",
    "components",
    "torch",
    "previous",
    "imported_from",
    "source_digest",
    "nnunet_configuration",
    "nnunet_trainer",
    "epochs",
)
FILE = re.compile(r"[^\s\\/]*[\\/](?:[^;\n]*[\\/])?([^\s;\\/](?:[^;\\/\n]*?[^\s;\\/])?\.[A-Za-z]\w+)")
FOLDER = re.compile(r"(?<![\w.)~:\\/])(?:[A-Za-z]:[\\/]|\.{1,2}[\\/]|~[\\/]|[\\/](?=\w))[^;,\n]*")
A_FOLDER = "a folder"
COUNTED = {"train_ids": "n_train", "validation_ids": "n_validation"}


def strip_dataset(dataset: Dataset) -> Dataset:
    """The dataset as its name, channels, labels and file ending; its folder is its name alone."""
    return Dataset(
        name=dataset.name,
        folder=Path(dataset.name),
        layout=dataset.layout,
        channels=dataset.channels,
        labels=dataset.labels,
        cases=(),
        file_ending=dataset.file_ending,
        n_cases_declared=dataset.n_cases_declared,
    )


def strip_fingerprint(fingerprint: Fingerprint) -> Fingerprint:
    """The fingerprint with what new images are held against: per case grid, orientation and ranges, in their order."""
    bare = [CaseFacts(**{name: getattr(facts, name) for name in KEPT_OF_CASE}) for facts in fingerprint.cases]
    bare.sort(key=lambda facts: facts.model_dump_json())
    names = number_cases(len(bare), "case")
    cases = tuple(facts.model_copy(update={"id": name}) for facts, name in zip(bare, names, strict=True))
    return fingerprint.model_copy(update={"cases": cases, "warnings": (), "listing": ""})


def strip_training(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of its training, with numbers of cases in place of their ids."""
    kept = {name: facts[name] for name in KEPT_OF_TRAINING if name in facts}
    counts = {count: len(facts[ids]) or facts.get(count, 0) for ids, count in COUNTED.items() if ids in facts}
    return kept | counts | {ids: [] for ids in COUNTED}


def strip_reasons(record: R, folders: Sequence[Path]) -> R:
    """A record whose reasons name files without the folders that they lie in.

    A path with spaces looks like several words: what stands between its first and its last separator goes with it,
    even where it was a word of the sentence.

    Args:
        folders: that are known; where one of them begins and ends is certain.
    """
    known = {str(path) for folder in folders for path in (folder, folder.resolve()) if path.is_absolute()}
    named = [re.escape(path) for path in sorted(known, key=len, reverse=True) if len(path) > 1]
    folder = re.compile(rf"(?<!\S)({'|'.join(named)})(?![\w.-])" if named else r"(?!)")
    return parse_record(type(record), _strip_reasons(to_plain(record), folder), where="the model")


def _strip_reasons(plain: Any, folder: re.Pattern[str]) -> Any:
    if isinstance(plain, list):
        return [_strip_reasons(item, folder) for item in plain]
    if not isinstance(plain, dict):
        return plain
    return {
        key: _strip_sentence(item, folder)
        if key == "reason" and isinstance(item, str)
        else _strip_reasons(item, folder)
        for key, item in plain.items()
    }


def _strip_sentence(sentence: str, folder: re.Pattern[str]) -> str:
    """A known folder becomes a word; then files lose what is before their name, and other folders all of it."""
    sentence = folder.sub(lambda found: _replace_known(found, sentence), sentence)
    return FOLDER.sub(A_FOLDER, FILE.sub(r"\1", sentence))


def _replace_known(found: re.Match[str], sentence: str) -> str:
    """Nothing where a path goes on behind it."""
    return "" if sentence[found.end() : found.end() + 1] in ("/", "\\") else A_FOLDER


def strip_report(report: Report) -> Report:
    """The scores of each label over all cases, without the cases."""
    return report.model_copy(update={"cases": (), "missing": (), "without_reference": (), "worst": {}})
