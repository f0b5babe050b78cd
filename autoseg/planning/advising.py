"""Does a plan still say what the rules say, and does it fit its budget?

Advice and no error: a person may know better than a rule. A value set by hand is told what the rule would say. A value
that no longer follows from the others is told what would follow. Forecasts are made anew from the values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from autoseg.decision import SET_BY_HAND, Decision
from autoseg.errors import PlanError, UsageError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.blueprint import NETWORKS_OF_SLICES
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.explaining import format_difference, is_forecast
from autoseg.planning.forecasting import forecast_again
from autoseg.planning.layers import SKETCHED
from autoseg.planning.network_names import split_network
from autoseg.planning.pinning import Pins, pins_of
from autoseg.planning.plan import FORECASTS, MEANS, Configuration, Plan
from autoseg.planning.planner import make_plan
from autoseg.planning.walking import walk_decisions
from autoseg.serialization import to_plain

WORTH_TELLING = 0.1  # a forecast that is off by less than this share is left alone
BUDGET = ("budget.device", "budget.memory_gb", "budget.speeds")  # what the plan's own machine said


class Advice(NamedTuple):
    """A remark: the dotted key that it is about, and a sentence."""

    key: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.key}: {self.sentence}"


def find_advice(
    plan: Plan, fingerprint: Fingerprint | None = None, device: DeviceFacts | None = None
) -> tuple[Advice, ...]:
    """What a person may want to know about a plan that holds together.

    Args:
        plan: a plan without contradictions.
        fingerprint: of its dataset, to ask the rules again; without it only forecasts are looked at.
        device: of the machine; by default what the plan says of it.
    """
    advice = [*_look_at_networks(plan), *_look_at_forecasts(plan)]
    if fingerprint is not None:
        advice += [*_look_at_folds(plan, fingerprint), *_ask_rules_again(plan, fingerprint, device)]
    return tuple(advice)


def _look_at_folds(plan: Plan, fingerprint: Fingerprint) -> Iterator[Advice]:
    """Whether every fold has a case to validate; a single case is warned about by the rule itself."""
    n_folds, n_cases = plan.n_folds.value, fingerprint.n_cases
    if n_folds > n_cases > 1:
        yield Advice(
            "n_folds", f"is {n_folds}, but there are {n_cases} cases, and training refuses more folds than cases."
        )


def _look_at_networks(plan: Plan) -> Iterator[Advice]:
    """Networks that forecasts do not know, and those that cannot be built in this many dimensions."""
    for name, configuration in plan.configurations.items():
        network = split_network(configuration.network.value)[0]
        if network in NETWORKS_OF_SLICES and configuration.n_dimensions != 2:
            yield Advice(f"{name}.network", f"{network} is built in 2D alone, and training refuses {name} with it.")
        elif network not in SKETCHED:
            yield Advice(
                f"{name}.network",
                "memory and time are forecast as those of a plain U-Net of these features; `autoseg train` measures "
                f"{configuration.network.value} itself before it starts.",
            )


def _look_at_forecasts(plan: Plan) -> Iterator[Advice]:
    """Forecasts as the values are now: over the budget, or no longer what the file says."""
    for key in plan.pinned:
        if is_forecast(key):
            yield Advice(key, "is a forecast, and setting it changes nothing. Plan again to have it forecast.")
    renewed = forecast_again(plan)
    for name, configuration in renewed.configurations.items():
        over_budget = [*_look_at_memory(name, configuration, plan.budget.memory_gb.value)]
        yield from over_budget
        for field in FORECASTS:
            before = getattr(plan.configurations[name], field)
            if not before.is_set_by_hand and not (over_budget and field == "memory_gb"):
                yield from _look_at_forecast(f"{name}.{field}", before.value, getattr(configuration, field).value)


def _look_at_memory(name: str, configuration: Configuration, budget_gb: float) -> Iterator[Advice]:
    needed = configuration.memory_gb.value
    if needed > budget_gb:
        yield Advice(
            f"{name}.memory_gb",
            f"training is predicted to hold {needed:g} GB, more than the {budget_gb:g} GB it may use. Make batch_size, "
            "patch_size or features smaller, or raise budget.memory_gb.",
        )


def _look_at_forecast(key: str, told: float | None, now: float | None) -> Iterator[Advice]:
    if told is None or now is None:
        return
    if abs(now - told) > WORTH_TELLING * max(abs(told), abs(now)):
        yield Advice(
            key, f"was forecast as {told:g}; with the values as they are it is {now:g}. Plan again to renew it."
        )


def _ask_rules_again(plan: Plan, fingerprint: Fingerprint, device: DeviceFacts | None) -> Iterator[Advice]:
    """What the rules say now, given what a person set and the machine that the plan was made for."""
    if plan.fingerprint_digest != fingerprint.digest:
        yield Advice(
            "fingerprint_digest", "the plan was made from another fingerprint, so the dataset changed. Plan anew."
        )
    try:
        derived = dict(walk_decisions(_derive_again(plan, fingerprint, device)))
    except (PlanError, UsageError) as problem:
        yield Advice("configurations", f"no plan follows from what was set by hand: {_first_line(problem)}")
        return
    ground = "what was set by hand" if plan.pinned else "the fingerprint and the budget"
    for key, decision in walk_decisions(plan):
        if key in BUDGET or is_forecast(key) or key.startswith("left_out."):
            continue
        yield from _compare_with_rule(key, decision, derived.get(key), ground=ground)


def _derive_again(plan: Plan, fingerprint: Fingerprint, device: DeviceFacts | None) -> Plan:
    """The plan that follows from what was set by hand. Raises PlanError or UsageError where none does."""
    budget = {key: decision.value for key, decision in walk_decisions(plan) if key in BUDGET}
    kind: Any = plan.budget.device.value
    facts = device or DeviceFacts(device=kind, memory_gb=plan.budget.memory_gb.value, n_threads=1)
    return make_plan(fingerprint, facts, plan.wishes, Pins({**budget, **pins_of(plan).values}))


def _first_line(problem: Exception) -> str:
    return str(problem).splitlines()[0]


def _compare_with_rule(
    key: str, decision: Decision[Any], derived: Decision[Any] | None, *, ground: str
) -> Iterator[Advice]:
    if derived is None:
        yield Advice(key, "the rules do not plan this any more. Plan anew, or keep it as it is.")
    elif decision.is_set_by_hand:
        rule = derived.reason.removeprefix(f"{SET_BY_HAND}; ")
        if derived.is_set_by_hand and rule != derived.reason and not rule.startswith("the rule says the same"):
            yield Advice(key, derived.reason)
    elif to_plain(decision.value) != to_plain(derived.value) and key.rpartition(".")[2] not in MEANS:
        said = format_difference(derived.value, decision.value)
        yield Advice(
            key,
            f"no longer what the rules derive from {ground}; they say {said}: "
            f"{derived.reason}. `autoseg plan --from` takes it over, or write the bare value to keep yours.",
        )
