"""How is a contradiction in a plan told? By the key of the value to blame, and a sentence that says how to mend it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from autoseg.components import is_dotted
from autoseg.serialization import did_you_mean

WORD = r"[^\W\d]\w*"
DOTTED = re.compile(rf"{WORD}(\.{WORD})*:{WORD}")  # package.module:Name


class Problem(NamedTuple):
    """A contradiction: the dotted key of the value to blame, and what is wrong with it and how to mend it."""

    key: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.key} {self.sentence}"


def check_name(place: str, name: str, known: Sequence[str]) -> Iterator[Problem]:
    """A name that is not known, with the nearest that is."""
    if name not in known:
        yield Problem(place, f"is {name}, which is not known.{did_you_mean(name, known)}")


def check_component(place: str, name: str, known: Sequence[str]) -> Iterator[Problem]:
    """A name that is neither known nor the dotted path of a component of a person's own."""
    if is_dotted(name):
        yield from check_dotted(place, name)
        return
    for key, sentence in check_name(place, name, known):
        yield Problem(key, f"{sentence} One of your own is written package.module:Name.")


def check_dotted(place: str, path: str) -> Iterator[Problem]:
    """What is no dotted path; whether its module is there shows where it is imported."""
    if not DOTTED.fullmatch(path):
        yield Problem(place, f"is {path}, but one of your own is written package.module:Name.")


def check_range(place: str, value: float, low: float, high: float, words: str) -> Iterator[Problem]:
    """A number outside of a range whose ends belong to it; `words` says what the range is."""
    if not low <= value <= high:
        yield Problem(place, f"is {value:g}, but {words}.")


def is_positive(value: float) -> bool:
    """Whether a number is above 0 and finite; NaN is neither."""
    return 0 < value < math.inf


def show(values: Sequence[Any]) -> str:
    """A list as the file has it."""
    return f"[{', '.join(map(str, values))}]"
