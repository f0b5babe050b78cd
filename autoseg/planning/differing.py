"""What differs between two plans, why, and what does it cost?

Values are compared decision by decision; memory, seconds, hours and disk are forecast anew from the values of each
plan, so that an edited file is told what its edit costs and not what it cost before.
"""

from __future__ import annotations

from typing import Any

from autoseg.decision import Decision
from autoseg.planning.explaining import format_difference, format_value, is_forecast
from autoseg.planning.forecasting import forecast_again
from autoseg.planning.plan import FORECASTS, Plan
from autoseg.planning.validation import find_problems
from autoseg.planning.walking import walk_decisions
from autoseg.serialization import Record, to_plain


class Side(Record):
    """One decision of one plan.

    Attributes:
        value: as data.
        shown: in one line, and only the parts that differ.
        reason, source: of the decision.
    """

    value: Any
    shown: str
    reason: str
    source: str


class Difference(Record):
    """A decision whose value differs; a side is None where that plan does not have it.

    Attributes:
        key: its dotted key.
        before, after: in the first plan and in the second.
    """

    key: str
    before: Side | None
    after: Side | None


class CostDifference(Record):
    """A forecast of both plans; None where a plan does not have it, cannot say, or contradicts itself.

    Attributes:
        key: dotted key of the forecast, e.g. `3d_fullres.memory_gb` or `cost.hours`.
    """

    key: str
    before: float | None
    after: float | None


class Comparison(Record):
    """What differs between two plans, and what that costs.

    Attributes:
        differences: in the order of the file, forecasts left out.
        costs: every forecast of both plans, made anew from their values, whether or not it differs.
        facts: what differs beside decisions (dataset, channels, labels, fingerprint), and why costs are missing.
    """

    differences: tuple[Difference, ...]
    costs: tuple[CostDifference, ...]
    facts: tuple[str, ...] = ()


def compare_plans(before: Plan, after: Plan) -> Comparison:
    """Compare two plans, decision by decision."""
    old, new = dict(walk_decisions(before)), dict(walk_decisions(after))
    keys = [key for key in _merge_keys(list(old), list(new)) if not is_forecast(key)]
    return Comparison(
        differences=tuple(
            Difference(key=key, before=_show(old.get(key), new.get(key)), after=_show(new.get(key), old.get(key)))
            for key in keys
            if _value_of(old.get(key)) != _value_of(new.get(key))
        ),
        costs=_compare_costs(before, after),
        facts=tuple(_compare_facts(before, after)),
    )


def _merge_keys(old: list[str], new: list[str]) -> list[str]:
    """All keys in the order of the second file; those that only the first has follow the room they were in."""
    merged = list(new)
    for index, key in enumerate(old):
        if key not in merged:
            above = next((merged.index(one) for one in reversed(old[:index]) if one in merged), -1)
            merged.insert(above + 1, key)
    return merged


def _value_of(decision: Decision[Any] | None) -> Any:
    return ("absent",) if decision is None else (to_plain(decision.value),)


def _show(decision: Decision[Any] | None, other: Decision[Any] | None) -> Side | None:
    if decision is None:
        return None
    shown = format_value(decision.value) if other is None else format_difference(decision.value, other.value)
    return Side(value=to_plain(decision.value), shown=shown, reason=decision.reason, source=decision.source)


def _compare_costs(before: Plan, after: Plan) -> tuple[CostDifference, ...]:
    old, new = list_costs(before), list_costs(after)
    return tuple(
        CostDifference(key=key, before=old.get(key), after=new.get(key)) for key in _merge_keys(list(old), list(new))
    )


def list_costs(plan: Plan) -> dict[str, float | None]:
    """Every forecast by its dotted key, made from the values as they stand; none for a plan that contradicts itself."""
    if find_problems(plan):
        return {}
    renewed = forecast_again(plan)
    costs = {
        f"{name}.{field}": getattr(configuration, field).value
        for name, configuration in renewed.configurations.items()
        for field in FORECASTS
    }
    return {**costs, "cost.hours": renewed.cost.hours.value, "cost.disk_gb": renewed.cost.disk_gb.value}


def _compare_facts(before: Plan, after: Plan) -> list[str]:
    facts = []
    for name in ("dataset", "channels", "labels"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            facts.append(f"{name}: {format_value(old)} and {format_value(new)}")
    if before.fingerprint_digest != after.fingerprint_digest:
        facts.append(f"fingerprint: {before.fingerprint_digest} and {after.fingerprint_digest}")
    for which, plan in (("first", before), ("second", after)):
        if find_problems(plan):
            facts.append(f"the {which} plan contradicts itself and is not forecast; `autoseg plan --check` names why")
    return facts
