"""Does plain data follow a record's schema? Every problem at once, with its place and a way out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import pydantic

from autoseg.errors import AutosegError
from autoseg.serialization.records import R, Record
from autoseg.serialization.suggesting import did_you_mean
from autoseg.serialization.yaml_text import Lines, Place, tell_where

LONGEST_SHOWN = 80  # characters of a wrong value in an error


class Problem(NamedTuple):
    """What is wrong at a place of a file, as a sentence that names the place."""

    place: Place
    sentence: str


def parse_record(
    kind: type[R], value: Any, *, where: str, error: type[AutosegError] = AutosegError, lines: Lines | None = None
) -> R:
    """Check plain data against a record's schema; name every problem at once, with its place and a way out.

    Args:
        where: the file, for the error.
        error: the kind of error to raise.
        lines: where things stand in the file, from `parse_located_yaml`.
    """
    try:
        return kind.model_validate(value)
    except pydantic.ValidationError as problems:
        found = _explain_problems(kind, value, problems)
    known = lines or {}
    raise error("\n".join(f"{tell_where(where, known, place)}: {sentence}" for place, sentence in found))


def find_schema_problems(kind: type[Record], value: Any) -> tuple[Problem, ...]:
    """Everything about plain data that a record's schema does not allow; nothing if it fits."""
    try:
        kind.model_validate(value)
    except pydantic.ValidationError as problems:
        return _explain_problems(kind, value, problems)
    return ()


def _explain_problems(kind: type[Record], value: Any, problems: pydantic.ValidationError) -> tuple[Problem, ...]:
    """One problem per place: a choice of types fails once for each of them."""
    found: dict[Place, str] = {}
    for problem in problems.errors(include_url=False):
        is_about_key = problem["type"] in ("extra_forbidden", "missing")
        place = problem["loc"] if is_about_key else _follow(value, problem["loc"])
        found.setdefault(place, _explain_problem(kind, problem, place))
    return tuple(Problem(place, sentence) for place, sentence in found.items())


def _follow(value: Any, location: Place) -> Place:
    """The part of a location that leads to something in the data; the rest names types, or a `value` left out."""
    place: list[str | int] = []
    for part in location:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            break
        place.append(part)
    return tuple(place)


def _explain_problem(kind: type[Record], problem: Any, location: Place) -> str:
    place = ".".join(str(part) for part in location) or "the file"
    if problem["type"] == "extra_forbidden":
        known = _keys_at(kind, location[:-1])
        return f"{place} is not a known key.{did_you_mean(str(location[-1]), known)}"
    if problem["type"] == "missing":
        return f"{place} is missing."
    return f"{place}: {problem['msg']}, but it is {str(problem['input'])[:LONGEST_SHOWN]!r}."


def _keys_at(kind: Any, location: Iterable[Any]) -> list[str]:
    for part in location:
        fields = getattr(kind, "model_fields", {})
        if part in fields:
            kind = _record_inside(fields[part].annotation)
    return list(getattr(kind, "model_fields", {}))


def _record_inside(annotation: Any) -> Any:
    """The record that a field's annotation holds, through optionals, tuples and dictionaries."""
    if hasattr(annotation, "model_fields"):
        return annotation
    found = (_record_inside(argument) for argument in getattr(annotation, "__args__", ()))
    return next((record for record in found if hasattr(record, "model_fields")), annotation)
