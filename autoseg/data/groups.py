"""Which cases belong together, because they show one patient?

Two images of a patient are more alike than any new image will be: a model that trained on the one does not show on the
other what it can do. Groups come from `groups.csv` in the dataset's folder (columns case_id and group), or from a
pattern on case ids whose first group names the patient: `(patient\\d+)_` puts patient07_a and patient07_b together.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoseg.data.dataset import Dataset, name_cases
from autoseg.errors import DatasetError, UsageError
from autoseg.serialization import Record, did_you_mean, digest, read_text

FILE_NAME = "groups.csv"
COLUMNS = ("case_id", "group")


class Grouping(Record):
    """The groups of a dataset's cases.

    Attributes:
        source: where they come from: `groups.csv`, or the pattern.
        pattern: the regular expression on case ids, None where a file names the groups.
        group_of: the group of every case, by case id.
    """

    source: str
    pattern: str | None = None
    group_of: dict[str, str]

    @property
    def n_groups(self) -> int:
        return len(set(self.group_of.values()))

    @property
    def digest(self) -> str:
        """Names the partition of the cases, whatever the groups are called."""
        return digest(sorted(sorted(cases) for cases in list_members(self.group_of).values()))


def find_groups(dataset: Dataset, pattern: str | None = None) -> Grouping | None:
    """The groups of a dataset's cases; None where neither a file nor a pattern names any.

    Raises:
        UsageError: the pattern is none, does not fit every case, or stands against a file.
        DatasetError: the file cannot be read, or leaves a case out.
    """
    path = dataset.folder / FILE_NAME
    if not path.is_file():
        return None if pattern is None else match_groups(pattern, dataset.case_ids)
    if pattern is not None:
        raise UsageError(f"--group-pattern {pattern}: {path} names the groups already. Use one of them.")
    others = [case.id for case in dataset.test_cases]
    return read_groups(path, dataset.case_ids, others=[*others, *dataset.incomplete])


def match_groups(pattern: str, case_ids: Sequence[str]) -> Grouping:
    """Groups by the first group of a regular expression, searched for in case ids. Raises UsageError."""
    try:
        expression = re.compile(pattern)
    except re.error as problem:
        raise UsageError(f"--group-pattern {pattern}: is no regular expression: {problem}.") from None
    if not expression.groups:
        raise UsageError(rf"--group-pattern {pattern}: has no group. Put the patient into brackets: (patient\d+)_")
    found = {case_id: expression.search(case_id) for case_id in case_ids}
    group_of = {case_id: match[1] for case_id, match in found.items() if match and match[1]}
    if left := [case_id for case_id in case_ids if case_id not in group_of]:
        raise UsageError(f"--group-pattern {pattern}: finds no group in {name_cases(left)}. It must fit every case.")
    return Grouping(source=f"the pattern {pattern}", pattern=pattern, group_of=group_of)


def read_groups(path: Path, case_ids: Collection[str], *, others: Collection[str] = ()) -> Grouping:
    """Read a table with a header and the columns case_id and group, separated by commas or semicolons.

    Args:
        path: the file.
        case_ids: the cases that need a group.
        others: cases that it may name as well, such as those without a reference.

    Raises:
        DatasetError: a column or a case is missing, a case is unknown, or stands in two groups.
    """
    group_of: dict[str, str] = {}
    for number, (case_id, group) in _read_rows(path):
        if case_id not in case_ids and case_id not in others:
            raise DatasetError(f"{path}: line {number}: there is no case {case_id}.{did_you_mean(case_id, case_ids)}")
        if group_of.setdefault(case_id, group) != group:
            raise DatasetError(
                f"{path}: line {number}: {case_id} is in group {group}, but in {group_of[case_id]} above. Keep one."
            )
    if left := sorted(set(case_ids) - set(group_of)):
        raise DatasetError(
            f"{path}: says nothing of {name_cases(left)}. Give every case a group; one of its own where it shares none."
        )
    return Grouping(source=FILE_NAME, group_of={case_id: group_of[case_id] for case_id in sorted(case_ids)})


def list_members(group_of: Mapping[str, str]) -> dict[str, list[str]]:
    """Case ids of each group, both sorted."""
    members: dict[str, list[str]] = {group: [] for group in sorted(set(group_of.values()))}
    for case_id in sorted(group_of):
        members[group_of[case_id]].append(case_id)
    return members


def _read_all(rows: Any, path: Path) -> Iterator[list[str]]:
    try:
        yield from rows
    except csv.Error as problem:
        raise DatasetError(f"{path}: line {rows.line_num}: {problem}. Is a quote not closed?") from None


def _read_rows(path: Path) -> Iterable[tuple[int, tuple[str, str]]]:
    """Line number, case id and group of every row that is not empty."""
    lines = read_text(path).removeprefix("\ufeff").splitlines()  # spreadsheets begin with a byte-order mark
    header = lines[0] if lines else ""
    delimiter = ";" if ";" in header else "\t" if "\t" in header else ","
    rows = csv.reader(lines, delimiter=delimiter)
    names = [name.strip().lower() for name in next(rows, [])]
    if missing := [column for column in COLUMNS if column not in names]:
        raise DatasetError(
            f"{path}: the first line must name the columns case_id and group, but {', '.join(missing)} is missing: "
            f"{header[:80]!r}."
        )
    places = [names.index(column) for column in COLUMNS]
    for row in _read_all(rows, path):
        words = [row[place].strip() if place < len(row) else "" for place in places]
        if any(words):
            if not all(words):
                raise DatasetError(f"{path}: line {rows.line_num}: needs a case id and a group, but is {row}.")
            yield rows.line_num, (words[0], words[1])
