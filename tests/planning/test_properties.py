"""Laws that hold for the plan of any dataset on any budget, whatever a person pins.

Examples are the same in every run: a law that fails fails again.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from autoseg.errors import AutosegError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.advising import find_advice
from autoseg.planning.devices import DeviceFacts, Speed
from autoseg.planning.differing import list_costs
from autoseg.planning.editing import check_pinned
from autoseg.planning.pinning import pins_of
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import parse_edited_plan, parse_plan
from autoseg.planning.planner import make_plan
from autoseg.planning.validation import check_plan, find_problems
from autoseg.planning.wishes import Wishes
from autoseg.serialization import dump_yaml, parse_yaml, to_plain

MakeFingerprint = Callable[..., Fingerprint]
CARD_SPEEDS = {"2d": Speed(gflops=30_000, gvalues=150), "3d": Speed(gflops=30_000, gvalues=150)}
SMALLEST_BUDGET_GB = 2.5  # holds two of the smallest patches with the narrowest network of 8 labels

spacings = st.tuples(*[st.floats(0.3, 6.0).map(lambda value: round(value, 2))] * 3)
shapes = st.tuples(st.integers(1, 150), st.integers(3, 500), st.integers(3, 500))
networks = st.sampled_from(["auto", "plain", "residual"])
wishes = st.builds(
    Wishes, network=networks, train_time_s=st.none() | st.floats(60, 1e5), rules=st.sampled_from(["autoseg", "nnunet"])
)
own_wishes = st.builds(Wishes, network=networks, train_time_s=st.none() | st.floats(60, 1e5))


@st.composite
def devices(draw: st.DrawFn) -> DeviceFacts:
    kind = draw(st.sampled_from(["cpu", "cuda", "mps"]))
    speeds = draw(st.sampled_from([{}, CARD_SPEEDS])) if kind == "cuda" else {}
    return DeviceFacts(device=kind, memory_gb=draw(st.floats(6, 90)), n_threads=2, gflops=100, speeds=speeds)


def fingerprints(draw: st.DrawFn, make: MakeFingerprint) -> Fingerprint:
    return make(
        spacing_mm=draw(spacings),
        shape=draw(shapes),
        n_cases=draw(st.sampled_from([1, 4, 20, 200])),
        n_labels=draw(st.integers(2, 8)),
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(device=devices(), wish=wishes, data=st.data())
def test_any_plan_holds_together_and_survives_its_file(
    make_fingerprint: MakeFingerprint, device: DeviceFacts, wish: Wishes, data: st.DataObject
) -> None:
    plan = make_plan(fingerprints(data.draw, make_fingerprint), device, wish)
    assert find_problems(plan) == ()
    assert parse_plan(parse_yaml(dump_yaml(plan), where="text"), where="text") == plan
    for configuration in plan.configurations.values():
        pairs = zip(configuration.patch_size.value, configuration.topology.value.divisor, strict=True)
        assert all(size % divisor == 0 for size, divisor in pairs)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(device=devices(), wish=own_wishes, low=st.floats(1, 60), more=st.floats(1.001, 3), data=st.data())
def test_more_memory_never_shrinks_patch_times_batch(
    make_fingerprint: MakeFingerprint,
    device: DeviceFacts,
    wish: Wishes,
    low: float,
    more: float,
    data: st.DataObject,
) -> None:
    fingerprint = fingerprints(data.draw, make_fingerprint)
    small, large = (
        make_plan(fingerprint, device, wish.model_copy(update={"gpu_memory_gb": memory}))
        for memory in (low, low * more)
    )
    for name in {"2d", "3d_fullres"} & set(small.configurations):
        assert count_shown(large, name) >= count_shown(small, name)


def count_shown(plan: Plan, name: str) -> int:
    """Voxels that one iteration sees."""
    configuration = plan.configurations[name]
    return math.prod(configuration.patch_size.value) * configuration.batch_size.value


@settings(max_examples=25, deadline=None, derandomize=True)
@given(device=devices(), wish=own_wishes, memory_gb=st.floats(SMALLEST_BUDGET_GB, 90), data=st.data())
def test_predicted_memory_stays_within_the_budget(
    make_fingerprint: MakeFingerprint, device: DeviceFacts, wish: Wishes, memory_gb: float, data: st.DataObject
) -> None:
    fingerprint = fingerprints(data.draw, make_fingerprint)
    plan = make_plan(fingerprint, device, wish.model_copy(update={"gpu_memory_gb": memory_gb}))
    for configuration in plan.configurations.values():
        assert configuration.memory_gb.value <= memory_gb + 0.005  # the plan rounds to 0.01


@settings(max_examples=12, deadline=None, derandomize=True)
@given(device=devices(), wish=own_wishes, batch=st.integers(1, 6), data=st.data())
def test_what_a_person_pins_survives_planning_again(
    make_fingerprint: MakeFingerprint, device: DeviceFacts, wish: Wishes, batch: int, data: st.DataObject
) -> None:
    fingerprint = fingerprints(data.draw, make_fingerprint)
    content = parse_yaml(dump_yaml(make_plan(fingerprint, device, wish)), where="text")
    for configuration in content["configurations"].values():
        configuration["batch_size"] = batch
    edited = parse_plan(content, where="text")
    again = make_plan(fingerprint, device, wish, pins_of(edited))
    assert {one.batch_size.value for one in again.configurations.values()} == {batch}
    assert make_plan(fingerprint, device, wish, pins_of(again)) == again


LAID_OUT = {  # spacing and shape of every case
    "thick slices": ((3.0, 0.8, 0.8), (60, 200, 180)),
    "large": ((1.0, 0.75, 0.75), (300, 512, 512)),
    "pictures": ((999.0, 1.0, 1.0), (1, 256, 320)),
}
MACHINES = {
    "cpu": DeviceFacts(device="cpu", memory_gb=22.0, n_threads=2, gflops=170.0),
    "gpu": DeviceFacts(device="cuda", memory_gb=8.0, n_threads=8, speeds=CARD_SPEEDS),
}
ODD_NUMBERS = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1e-300, 1e300)
numbers = st.one_of(st.floats(0.05, 20).map(lambda value: round(value, 2)), st.sampled_from(ODD_NUMBERS))
sizes = st.sampled_from([0, 1, 2, 7, 8, 16, 32, 48, 64, 96, 128, 320])
lists = functools.partial(st.lists, min_size=0, max_size=8)


def lists_like(values: list[Any], entries: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Lists mostly as long as the value that they replace, and sometimes of any length."""
    return st.one_of(lists(entries), st.lists(entries, min_size=len(values), max_size=len(values)))


def pinned_values(key: str, value: Any) -> st.SearchStrategy[Any]:
    """What a person may write in place of a decision's value, right or wrong."""
    if key in ("features", "patch_size"):
        scaled = st.sampled_from([0.25, 0.5, 2, 3]).map(lambda factor: [max(int(size * factor), 1) for size in value])
        return st.one_of(scaled, lists_like(value, sizes))
    if key == "spacing_mm":
        scaled = st.floats(0.2, 8).map(lambda factor: [size * factor for size in value])
        return st.one_of(scaled, lists_like(value, numbers))
    if key == "topology":
        axes = lists_like(value["strides"][0], st.sampled_from([0, 1, 2, 3]))
        return st.fixed_dictionaries({name: lists_like(value[name], axes) for name in ("strides", "kernel_sizes")})
    if key == "blocks":
        counts = st.integers(0, 6)
        return st.fixed_dictionaries({name: lists_like(value[name], counts) for name in ("encoder", "decoder")})
    if key == "network":
        return st.sampled_from(["unet", "residual_unet", "plain", "resnet", ""])
    iterations = st.none() | st.integers(-1, 10**6)
    return st.fixed_dictionaries({"train_time_s": st.none() | numbers, "n_iterations": iterations})


@functools.cache
def plan_once(layout: str, machine: str, make: MakeFingerprint) -> tuple[Fingerprint, dict[str, Any]]:
    """A fingerprint, and the plan that the rules make of it, as plain data."""
    spacing, shape = LAID_OUT[layout]
    fingerprint = make(spacing_mm=spacing, shape=shape)
    return fingerprint, to_plain(make_plan(fingerprint, MACHINES[machine]))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    layout=st.sampled_from(sorted(LAID_OUT)),
    machine=st.sampled_from(sorted(MACHINES)),
    key=st.sampled_from(["features", "blocks", "topology", "spacing_mm", "patch_size", "network", "length"]),
    data=st.data(),
)
def test_whatever_a_person_pins_the_plan_holds_together_or_one_error_tells_why(
    make_fingerprint: MakeFingerprint, layout: str, machine: str, key: str, data: st.DataObject
) -> None:
    fingerprint, before = plan_once(layout, machine, make_fingerprint)
    plain = copy.deepcopy(before)
    configuration = plain["configurations"][data.draw(st.sampled_from(sorted(plain["configurations"])))]
    configuration[key] = data.draw(pinned_values(key, configuration[key]["value"]))
    try:
        edited = parse_edited_plan(plain, where="text")
    except AutosegError:
        return
    look_at(edited, fingerprint)
    try:
        check_pinned(edited)
        derived = make_plan(fingerprint, MACHINES[machine], edited.wishes, pins_of(edited))
        check_plan(derived, where="text")
    except AutosegError:
        return
    look_at(derived, fingerprint)
    again = make_plan(fingerprint, MACHINES[machine], derived.wishes, pins_of(derived))
    assert again == derived


def look_at(plan: Plan, fingerprint: Fingerprint) -> None:
    """Ask for everything that is told about a plan file: problems or advice, and costs; none of it may fail."""
    if find_problems(plan) == ():
        find_advice(plan, fingerprint)
    list_costs(plan)
