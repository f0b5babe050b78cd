"""What can a person set in a plan, and to what? The rows of `autoseg explain --options`.

Keys, types and meanings are read off the schema and its docstrings, names off `naming`, so that none can be forgotten;
what a schema cannot tell, such as ranges and an example of `--set`, is in `option_facts`.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from autoseg.decision import Decision
from autoseg.errors import UsageError
from autoseg.planning.explaining import format_value, is_forecast
from autoseg.planning.naming import PRESETS, Named
from autoseg.planning.option_facts import (
    BY_RULE,
    CHANNEL,
    CONFIGURATION,
    DEFAULTS,
    EXAMPLES,
    MEANINGS,
    NAMES,
    RANGES,
    TAKES_OWN,
)
from autoseg.planning.plan import Configuration, Plan
from autoseg.planning.walking import is_within
from autoseg.schemas import read_docstring
from autoseg.serialization import Record, did_you_mean

SHOWN_CONFIGURATION = "3d_fullres"  # in examples
NOT_SET = ("median_shape",)  # measured
OPEN = ("loss.terms", "loss.parameters", "optimizer.parameters", "budget.speeds")  # a person adds names


class Option(Record):
    """Something that a person can set.

    Attributes:
        key: dotted; `CONFIGURATION` stands for 2d, 3d_fullres, ..., `CHANNEL` for a channel's name.
        type: of its value, in words.
        meaning: one line.
        default: what it is where nobody sets it.
        range: of its values, empty where any will do.
        names: that it may have, with what they mean and take; empty where it is no name.
        takes_own: whether it may be the dotted path of a person's own part.
        example: of options of `autoseg plan DATASET`, empty where there is none.
    """

    key: str
    type: str
    meaning: str
    default: str
    range: str = ""
    names: tuple[Named, ...] = ()
    takes_own: bool = False
    example: str = ""


PRESET = Option(
    key="--augmentation",
    type="name",
    meaning="How much training patches are changed, all transforms at once",
    default="default",
    names=tuple(PRESETS.values()),
    example="--augmentation strong",
)


def list_options(key: str | None = None) -> tuple[Option, ...]:
    """Everything that can be set, in the order of the file; or what `key` names, with or without a configuration.

    Raises:
        UsageError: nothing of that name can be set; the message names the nearest.
    """
    options = (PRESET, *_find_options(Plan, ""))
    if key is None:
        return options
    wanted = [option for option in options if _is_meant(option, key)]
    if not wanted:
        known = [option.key.removeprefix(f"{CONFIGURATION}.") for option in options]
        known += dict.fromkeys(name.partition(".")[0] for name in known)  # rooms of them: loss, optimizer
        known += [named.name for option in options for named in option.names]
        near = did_you_mean(key.rpartition(".")[2] if key not in known and "." in key else key, known)
        suggestion = near if near.startswith(" Did") else ""
        raise UsageError(f"Nothing called {key} can be set.{suggestion} `autoseg explain --options` lists all.")
    return tuple(wanted)


def _is_meant(option: Option, key: str) -> bool:
    """Whether a key names an option or one of its names, something that it holds, or something inside of it."""
    first, _, rest = key.partition(".")
    if rest and first in (CONFIGURATION, "2d", "3d_fullres", "3d_lowres", "3d_cascade"):
        key = rest
    own = option.key.removeprefix(f"{CONFIGURATION}.").removeprefix("--")
    is_inside_open = own in OPEN and is_within(key, own)
    return is_within(own, key) or is_inside_open or key in (named.name for named in option.names)


def _find_options(kind: Any, room: str) -> Iterator[Option]:
    """Decisions inside of a record's schema, one row for each of their parts."""
    for name, field in kind.model_fields.items():
        place = f"{room}.{name}" if room else name
        value = _find_value(field.annotation)
        if value is not None:
            if not is_forecast(place) and name not in NOT_SET:
                yield from _describe(place, value, _tell_meaning(kind, name), _tell_default(field.default))
        elif name == "configurations":
            yield from _find_options(Configuration, CONFIGURATION)
        elif name == "normalization":
            yield from _find_options(typing.get_args(field.annotation)[0], CHANNEL)
        elif name == "budget":
            yield from _find_options(field.annotation, place)


def _find_value(annotation: Any) -> Any:
    """The type of a decision's value; None for what is no decision."""
    if isinstance(annotation, type) and issubclass(annotation, Decision):
        return annotation.model_fields["value"].annotation
    return None


def _tell_meaning(kind: Any, name: str) -> str:
    return read_docstring(kind)[1].get(name, "")


def _tell_default(declared: Any) -> str:
    return format_value(declared.value) if isinstance(declared, Decision) else BY_RULE


def _describe(key: str, kind: Any, meaning: str, default: str) -> Iterator[Option]:
    """A value as one row; one with named parts as one row for each part."""
    if not (isinstance(kind, type) and issubclass(kind, Record)):
        yield _make_option(key, kind, meaning, default)
        return
    for name, field in kind.model_fields.items():
        yield _make_option(f"{key}.{name}", field.annotation, _tell_meaning(kind, name), BY_RULE)


def _make_option(key: str, kind: Any, meaning: str, default: str) -> Option:
    own = key.removeprefix(f"{CONFIGURATION}.")
    example = EXAMPLES.get(own, "")
    room = f"{SHOWN_CONFIGURATION}." if own != key else ""
    told = MEANINGS.get(own, meaning)
    return Option(
        key=key,
        type=describe_type(kind),
        meaning=told[:1].upper() + told[1:],
        default=DEFAULTS.get(own, default),
        range=RANGES.get(own, ""),
        names=tuple(NAMES.get(own, {}).values()),
        takes_own=own in TAKES_OWN,
        example=f"--set {room}{example}" if example else "",
    )


def describe_type(kind: Any) -> str:
    """A type in words: `list of numbers`, `number or null`, `yes or no`."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe_type(one) for one in inside))
    if origin is typing.Literal:
        return "name"
    if origin is tuple:
        return f"list of {describe_type(inside[0])}"
    if origin is dict:
        return f"{describe_type(inside[1])} by name"
    if isinstance(kind, type) and issubclass(kind, Record):
        return "{" + ", ".join(kind.model_fields) + "}"
    words = {bool: "true or false", int: "whole number", float: "number", str: "name", type(None): "null"}
    return words.get(kind, "value")
