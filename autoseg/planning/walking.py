"""Where are the decisions inside a value?

Every decision of a plan has a dotted key, as it is written in the file but for the word `configurations`:
`axis_order`, `budget.memory_gb`, `normalization.CT.scheme`, `3d_fullres.patch_size`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from autoseg.decision import Decision
from autoseg.serialization import Lines, Place, Record

UNNAMED = "configurations"  # a level of the file that keys leave out
INDEX = re.compile(r"\[(\d+)\]")


class Found(NamedTuple):
    """A decision where it was found.

    Attributes:
        key: its dotted key.
        place: the keys and indices that lead to it in a plan file.
        decision: the decision itself.
    """

    key: str
    place: Place
    decision: Decision[Any]


def walk_decisions(value: Any) -> Iterator[tuple[str, Decision[Any]]]:
    """Every decision inside a record with its dotted key, in the order of the file."""
    yield from ((found.key, found.decision) for found in find_decisions(value))


def find_decisions(value: Any) -> Iterator[Found]:
    """Every decision inside a record, in the order of the file."""
    yield from _find(value, (), ())


def _find(value: Any, names: tuple[str, ...], place: Place) -> Iterator[Found]:
    if isinstance(value, Decision):
        yield Found(".".join(names), place, value)
        return
    for name, step, item in _rooms(value):
        yield from _find(item, (*names, name) if name else names, (*place, step))


def find_place(value: Any, key: str, lines: Lines) -> Place:
    """Where a dotted key stands in the file, also deeper inside a decision: `2d.optimizer.name`, `2d.patch_size[0]`.

    Args:
        lines: of the file, to tell a decision's block, with its `value`, from the bare value.
    """
    around = [found for found in find_decisions(value) if is_within(key, found.key)]
    if around:
        nearest = max(around, key=lambda found: len(found.key))
        block = (*nearest.place, "value")
        return (*(block if block in lines else nearest.place), *split_key(key[len(nearest.key) :]))
    parts = split_key(key)
    is_inside = bool(parts) and parts[0] in getattr(value, UNNAMED, {})
    return (UNNAMED, *parts) if is_inside else parts


def is_within(key: str, room: str) -> bool:
    """Whether a dotted key names a room or something inside it."""
    return key == room or key.startswith((f"{room}.", f"{room}["))


def split_key(key: str) -> Place:
    """The steps of a dotted key: names, and indices in brackets."""
    parts = INDEX.sub(r".[\1]", key).split(".")
    return tuple(int(part[1:-1]) if INDEX.fullmatch(part) else part for part in parts if part)


def change_decisions(value: Any, change: Callable[[str, Decision[Any]], Decision[Any]]) -> Any:
    """The same record with `change(key, decision)` in place of every decision."""
    return _change(value, change, ())


def _change(value: Any, change: Callable[[str, Decision[Any]], Decision[Any]], names: tuple[str, ...]) -> Any:
    if isinstance(value, Decision):
        return change(".".join(names), value)
    changed = {step: _change(item, change, (*names, name) if name else names) for name, step, item in _rooms(value)}
    if isinstance(value, Record) and changed:
        return value.model_copy(update={str(name): item for name, item in changed.items()})
    if isinstance(value, dict):
        return changed
    return tuple(changed.values()) if isinstance(value, tuple) else value


def _rooms(value: Any) -> Iterator[tuple[str, str | int, Any]]:
    """What lies inside: its name in dotted keys ("" where they leave it out), its key or index in the file, itself."""
    if isinstance(value, Record):
        for name in type(value).model_fields:
            yield "" if name == UNNAMED else name, name, getattr(value, name)
    elif isinstance(value, dict):
        yield from ((str(name), name, item) for name, item in value.items())
    elif isinstance(value, tuple):
        yield from _channels(value)


def _channels(channels: tuple[Any, ...]) -> Iterator[tuple[str, int, Any]]:
    names = name_channels([getattr(channel, "channel", "") for channel in channels])
    for index, (name, channel) in enumerate(zip(names, channels, strict=True)):
        yield name, index, channel


def name_channels(channels: Sequence[str]) -> list[str]:
    """The channels' keys in a plan: their names, numbered by position where several share one."""
    return [name if channels.count(name) == 1 else f"{name}[{index}]" for index, name in enumerate(channels)]
