"""What does it mean that something is wrong with a dataset?"""

from __future__ import annotations

from typing import Literal

from autoseg.serialization import Record


class Problem(Record):
    """Something wrong with a dataset.

    Attributes:
        severity: `error` if training cannot use the case or the dataset as it is, else `warning`.
        where: case id, or the dataset's name.
        message: what was expected, what came, what to do.
    """

    severity: Literal["error", "warning"]
    where: str
    message: str


def error(where: str, message: str) -> Problem:
    """A problem that keeps autoseg from using what `where` names."""
    return Problem(severity="error", where=where, message=message)


def warning(where: str, message: str) -> Problem:
    """A problem that a person should have looked at."""
    return Problem(severity="warning", where=where, message=message)
