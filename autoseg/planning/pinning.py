"""What did a person set by hand, and how does the rest follow from it?

A pinned value takes the place of the rule's at the point where the rule decides, so that everything decided after it
rests on what was pinned. The rule is asked all the same, and its answer stands in the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from autoseg.decision import SET_BY_HAND, Decision
from autoseg.planning.explaining import format_value
from autoseg.planning.plan import Plan
from autoseg.planning.walking import walk_decisions

LONGEST_SHOWN = 60  # characters of a rule's value within a reason; longer ones are left to `autoseg explain`

T = TypeVar("T")


@dataclass(frozen=True)
class Pins:
    """Values that a person set, by the dotted key of their decision."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def below(self, place: str) -> Pins:
        """The pins of one configuration, without its name."""
        start = f"{place}."
        return Pins({key.removeprefix(start): value for key, value in self.values.items() if key.startswith(start)})

    def without(self, key: str) -> Pins:
        """The other pins."""
        return Pins({name: value for name, value in self.values.items() if name != key})

    def obey(self, key: str, rule: Decision[T]) -> Decision[T]:
        """The rule's decision, or what a person set in its place."""
        if key not in self.values:
            return rule
        value = self.values[key]
        return rule.model_copy(update={"value": value, "reason": _explain(value, rule), "source": "user"})


NO_PINS = Pins()


def pins_of(plan: Plan) -> Pins:
    """What a person set in a plan."""
    return Pins({key: decision.value for key, decision in walk_decisions(plan) if decision.is_set_by_hand})


def _explain(value: Any, rule: Decision[Any]) -> str:
    if value == rule.value:
        return f"{SET_BY_HAND}; the rule says the same: {rule.reason}"
    shown = format_value(rule.value)
    if len(shown) > LONGEST_SHOWN:
        return f"{SET_BY_HAND}; the rule would choose another: {rule.reason}"
    return f"{SET_BY_HAND}; the rule says {shown}: {rule.reason}"
