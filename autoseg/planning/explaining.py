"""What was decided, and why? The rows of `autoseg explain`, and the look-up of one decision by its dotted key."""

from __future__ import annotations

from typing import Any

from autoseg.decision import Decision, Source
from autoseg.errors import UsageError
from autoseg.planning.plan import FORECASTS, Plan
from autoseg.planning.walking import walk_decisions
from autoseg.serialization import Record, did_you_mean, to_plain


class Row(Record):
    """One decision for a table.

    Attributes:
        key: its dotted key, e.g. `3d_fullres.patch_size`.
        value: the value in one line.
        source: `fixed`, `rule`, `empirical` or `user`.
        reason: one sentence.
    """

    key: str
    value: str
    source: Source
    reason: str


def list_decisions(plan: Plan) -> tuple[Row, ...]:
    """Every decision of a plan, in the order of the file."""
    return tuple(
        Row(key=key, value=format_value(decision.value), source=decision.source, reason=decision.reason)
        for key, decision in walk_decisions(plan)
    )


def explain_key(plan: Plan, key: str) -> Decision[Any] | dict[str, Decision[Any]]:
    """The decision of that key, or all decisions below it (`3d_fullres` names all of a configuration's).

    Raises:
        UsageError: there is no such key; the message names the nearest.
    """
    decisions = dict(walk_decisions(plan))
    if key in decisions:
        return decisions[key]
    below = {name.removeprefix(f"{key}."): found for name, found in decisions.items() if name.startswith(f"{key}.")}
    if below:
        return below
    raise UsageError(f"The plan decides nothing called {key}.{suggest_key(key, list(decisions))}")


def format_value(value: Any) -> str:
    """A value in one line: `[40, 56, 40]`, `name=sgd, learning_rate=0.01`."""
    plain = to_plain(value)
    if isinstance(plain, dict):
        return ", ".join(f"{name}={_format_inner(item)}" for name, item in plain.items() if item is not None)
    return _format_inner(plain)


def format_difference(value: Any, other: Any) -> str:
    """A value in one line; of a value with named parts only those that the other one does not have."""
    plain, beside = to_plain(value), to_plain(other)
    if not isinstance(plain, dict) or not isinstance(beside, dict):
        return format_value(plain)
    return format_value({name: item for name, item in plain.items() if beside.get(name) != item}) or "none"


def _format_inner(plain: Any) -> str:
    if isinstance(plain, dict):
        return "{" + format_value(plain) + "}"
    if isinstance(plain, list):
        return f"[{', '.join(_format_inner(item) for item in plain)}]"
    if isinstance(plain, bool) or plain is None:
        return {True: "yes", False: "no", None: "none"}[plain]
    return f"{plain:g}" if isinstance(plain, float) else str(plain)


def is_forecast(key: str) -> bool:
    """Whether a decision is a forecast: it follows from the values, and nobody sets it."""
    room, _, last = key.rpartition(".")
    return room == "cost" or (room != "budget" and last in FORECASTS)


def suggest_key(key: str, known: list[str]) -> str:
    """A closing sentence for an unknown key: the nearest key; for a word alone, the keys whose last word has it."""
    ending = [name for name in known if key in name.split(".")[-1]]
    if "." not in key and ending:
        return f" Did you mean {' or '.join(ending)}?"
    near = did_you_mean(key, known)
    return near if near.startswith(" Did") else " `autoseg explain` without a key lists all."
