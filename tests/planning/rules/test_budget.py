from __future__ import annotations

import pytest

from autoseg.planning.devices import DeviceFacts, Speed
from autoseg.planning.rules.budget import decide_device, decide_memory, decide_speeds
from autoseg.planning.throughput import assume_speeds


@pytest.mark.parametrize(("device", "memory_gb"), [("cpu", 10.0), ("cuda", 18.0), ("mps", 12.0)])
def test_a_device_keeps_some_memory_for_itself(device: str, memory_gb: float) -> None:
    facts = DeviceFacts(device=device, memory_gb=20.0, n_threads=4)
    assert decide_device(facts).value == device
    decision = decide_memory(facts, wish_gb=None, size=None, as_published=False)
    assert decision.value == memory_gb
    assert "20.0 GB" in decision.reason


def test_a_wish_is_taken_as_it_is() -> None:
    facts = DeviceFacts(device="cuda", memory_gb=20, n_threads=1)
    decision = decide_memory(facts, wish_gb=7.5, size="l", as_published=False)
    assert (decision.value, decision.source) == (7.5, "user")


def test_the_published_rules_plan_for_eight_gb_on_any_device() -> None:
    cpu = DeviceFacts(device="cpu", memory_gb=64, n_threads=4)
    assert decide_memory(cpu, wish_gb=None, size=None, as_published=True).value == 8
    assert decide_memory(cpu, wish_gb=None, size="xl", as_published=True).value == 40


@pytest.mark.parametrize(("there_gb", "gb"), [(80, 24), (16, 14.4)])
def test_a_preset_stands_for_its_memory_as_far_as_the_device_has_it(there_gb: float, gb: float) -> None:
    facts = DeviceFacts(device="cuda", memory_gb=there_gb, n_threads=4)
    decision = decide_memory(facts, wish_gb=None, size="l", as_published=False)
    assert decision.value == gb
    assert decision.reason.startswith("WARNING") == (there_gb < 24)


def test_speed_matters_on_a_cpu_and_is_assumed_where_not_measured() -> None:
    assert decide_speeds(DeviceFacts(device="cuda", memory_gb=8, n_threads=4)).value == {}
    measured = decide_speeds(DeviceFacts(device="cpu", memory_gb=8, n_threads=4, gflops=70))
    assert measured.value == assume_speeds(70)
    assert "matrix products" in measured.reason
    assert "assumed" in decide_speeds(DeviceFacts(device="cpu", memory_gb=8, n_threads=4)).reason


def test_what_was_probed_is_taken_as_it_is() -> None:
    speeds = {"3d": Speed(gflops=9000, gvalues=80)}
    decision = decide_speeds(DeviceFacts(device="cuda", memory_gb=8, n_threads=4, speeds=speeds))
    assert decision.value == speeds
    assert "autoseg probe" in decision.reason


def test_a_device_that_is_not_here_is_planned_for_as_it_was_asked_for() -> None:
    card = DeviceFacts(device="cuda", memory_gb=8, n_threads=1, is_assumed=True)
    assert "not here" in decide_device(card).reason
    assert decide_memory(card, wish_gb=24, size=None, as_published=False).reason == "asked for"
    assert decide_memory(card, wish_gb=None, size="l", as_published=False).value == 24
    assert "assumed" in decide_memory(card, wish_gb=None, size=None, as_published=False).reason


def test_more_than_a_device_has_is_warned_about() -> None:
    card = DeviceFacts(device="cuda", memory_gb=8, total_memory_gb=12, n_threads=1)
    assert decide_memory(card, wish_gb=12, size=None, as_published=False).reason == "asked for"
    assert decide_memory(card, wish_gb=13, size=None, as_published=False).reason.startswith("WARNING")
