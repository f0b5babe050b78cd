"""The idea of the whole engine: a value never stands without its reason.

A `Decision` is a value, the sentence that explains it, the numbers that the sentence rests on, and its source:

    fixed      the blueprint: the same for every dataset
    rule       derived from the fingerprint and the budget
    empirical  found by cross-validation
    user       set by a person

In a file it reads `{value: ..., reason: ..., inputs: {...}}`, and a person shortens it to the bare value to set it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Literal, TypeVar

import pydantic

from autoseg.serialization import Record

T = TypeVar("T")

Source = Literal["fixed", "rule", "empirical", "user"]
SET_BY_HAND = "set by hand"


class Decision(Record, Generic[T]):
    """A value with its reason.

    Attributes:
        value: what was decided.
        reason: one sentence, written in the branch that made the choice.
        inputs: the numbers that the sentence rests on, by name.
        source: `fixed`, `rule`, `empirical` or `user`.
    """

    value: T
    reason: str
    inputs: dict[str, Any] = {}
    source: Source = "rule"

    @property
    def is_set_by_hand(self) -> bool:
        """Whether a person set it in the file, whatever the reason says beside."""
        return self.source == "user" and self.reason.startswith(SET_BY_HAND)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _accept_bare_value(cls, data: Any) -> Any:
        """`batch_size: 4` in place of the block means that a person set it."""
        if isinstance(data, Mapping) and ("value" in data or "reason" in data):
            return data
        if isinstance(data, Decision):
            return data
        return {"value": data, "reason": SET_BY_HAND, "source": "user"}

    @pydantic.model_serializer(mode="wrap")
    def _leave_out_defaults(self, handler: Any) -> Any:
        shown = handler(self)
        if not self.inputs:
            shown.pop("inputs", None)
        if self.source == "rule":
            shown.pop("source", None)
        return shown


def fixed(value: T, reason: str) -> Decision[T]:
    """A decision of the blueprint."""
    return Decision(value=value, reason=reason, source="fixed")


def ruled(value: T, reason: str, **inputs: Any) -> Decision[T]:
    """A decision that a rule derived from `inputs`."""
    return Decision(value=value, reason=reason, inputs=inputs)


def set_by_hand(decision: Decision[T]) -> Decision[T]:
    """The decision as a person's: what its reason said was about another value."""
    return decision.model_copy(update={"reason": SET_BY_HAND, "inputs": {}, "source": "user"})


def found(value: T, reason: str, **inputs: Any) -> Decision[T]:
    """A decision that cross-validation made."""
    return Decision(value=value, reason=reason, inputs=inputs, source="empirical")
