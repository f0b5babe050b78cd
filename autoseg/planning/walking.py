"""Where are the decisions inside a value?

Every decision of a plan has a dotted key, as it is written in the file but for the word `configurations`:
`axis_order`, `budget.memory_gb`, `normalization.CT.scheme`, `3d_fullres.patch_size`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autoseg.decision import Decision
from autoseg.serialization import Record

UNNAMED = "configurations"  # a level of the file that keys leave out


def walk_decisions(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Decision[Any]]]:
    """Every decision inside a record with its dotted key, in the order of the file."""
    if isinstance(value, Decision):
        yield ".".join(path), value
    elif isinstance(value, Record):
        for name in type(value).model_fields:
            yield from walk_decisions(getattr(value, name), path if name == UNNAMED else (*path, name))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from walk_decisions(item, (*path, name))
    elif isinstance(value, tuple):
        yield from _walk_channels(value, path)


def _walk_channels(channels: tuple[Any, ...], path: tuple[str, ...]) -> Iterator[tuple[str, Decision[Any]]]:
    """Channels go by their name, and by name and position where several share it."""
    names = [getattr(channel, "channel", "") for channel in channels]
    for index, (name, channel) in enumerate(zip(names, channels, strict=True)):
        yield from walk_decisions(channel, (*path, name if names.count(name) == 1 else f"{name}[{index}]"))
