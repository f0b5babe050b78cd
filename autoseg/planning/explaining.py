"""What was decided, and why? The rows of `autoseg explain`.

Every decision of a plan has a dotted key, as it is written in the file but for the word `configurations`:
`axis_order`, `budget.memory_gb`, `normalization.CT.scheme`, `3d_fullres.patch_size`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autoseg.decision import Decision, Source
from autoseg.errors import UsageError
from autoseg.planning.plan import Plan
from autoseg.serialization import Record, did_you_mean, to_plain


class Row(Record):
    """One decision for a table.

    Attributes:
        key: its dotted key.
        value: the value in one line.
        source: `fixed`, `rule`, `empirical` or `user`.
        reason: one sentence.
    """

    key: str
    value: str
    source: Source
    reason: str


def explain_plan(plan: Plan) -> tuple[Row, ...]:
    """Every decision of a plan, in the order of the file."""
    return tuple(
        Row(key=key, value=format_value(decision.value), source=decision.source, reason=decision.reason)
        for key, decision in list_decisions(plan).items()
    )


def find_decisions(plan: Plan, key: str) -> dict[str, Decision[Any]]:
    """The decision of that key, or all decisions below it (`3d_fullres` names all of a configuration's).

    Raises:
        UsageError: there is no such key; the message names the nearest.
    """
    decisions = list_decisions(plan)
    if key in decisions:
        return {key: decisions[key]}
    below = {name: decision for name, decision in decisions.items() if name.startswith(f"{key}.")}
    if below:
        return below
    raise UsageError(f"The plan decides nothing called {key}.{_suggest(key, list(decisions))}")


def list_decisions(plan: Plan) -> dict[str, Decision[Any]]:
    """Every decision of a plan by its dotted key."""
    return dict(_walk(plan, ()))


def format_value(value: Any) -> str:
    """A value in one line: `[40, 56, 40]`, `name=sgd, learning_rate=0.01`."""
    plain = to_plain(value)
    if isinstance(plain, dict):
        return ", ".join(f"{name}={_format_inner(item)}" for name, item in plain.items() if item is not None)
    return _format_inner(plain)


def _format_inner(plain: Any) -> str:
    if isinstance(plain, dict):
        return "{" + format_value(plain) + "}"
    if isinstance(plain, list):
        return f"[{', '.join(_format_inner(item) for item in plain)}]"
    if isinstance(plain, bool) or plain is None:
        return {True: "yes", False: "no", None: "none"}[plain]
    return f"{plain:g}" if isinstance(plain, float) else str(plain)


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Decision[Any]]]:
    if isinstance(value, Decision):
        yield ".".join(path), value
    elif isinstance(value, Record):
        for name in type(value).model_fields:
            yield from _walk(getattr(value, name), path if name == "configurations" else (*path, name))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _walk(item, (*path, name))
    elif isinstance(value, tuple):
        yield from _walk_channels(value, path)


def _walk_channels(channels: tuple[Any, ...], path: tuple[str, ...]) -> Iterator[tuple[str, Decision[Any]]]:
    """Channels go by their name, and by name and position where several share it."""
    names = [getattr(channel, "channel", "") for channel in channels]
    for index, (name, channel) in enumerate(zip(names, channels, strict=True)):
        yield from _walk(channel, (*path, name if names.count(name) == 1 else f"{name}[{index}]"))


def _suggest(key: str, known: list[str]) -> str:
    """The nearest whole key; for a word alone, the keys whose last word has it."""
    ending = [name for name in known if key in name.split(".")[-1]]
    if "." not in key and ending:
        return f" Did you mean {' or '.join(ending)}?"
    near = did_you_mean(key, known)
    return near if near.startswith(" Did") else " `autoseg explain` without a key lists all."
