from __future__ import annotations

import pytest

from autoseg.planning.devices import DeviceFacts
from autoseg.planning.rules.budget import decide_device, decide_gflops, decide_memory


@pytest.mark.parametrize(("device", "memory_gb"), [("cpu", 10.0), ("cuda", 18.0), ("mps", 12.0)])
def test_a_device_keeps_some_memory_for_itself(device: str, memory_gb: float) -> None:
    facts = DeviceFacts(device=device, memory_gb=20.0, n_threads=4)
    assert decide_device(facts).value == device
    decision = decide_memory(facts, wish_gb=None, as_published=False)
    assert decision.value == memory_gb
    assert "20.0 GB" in decision.reason


def test_a_wish_is_taken_as_it_is() -> None:
    decision = decide_memory(DeviceFacts(device="cuda", memory_gb=20, n_threads=1), wish_gb=7.5, as_published=False)
    assert (decision.value, decision.source) == (7.5, "user")


def test_the_published_rules_plan_for_eight_gb_on_any_device() -> None:
    assert (
        decide_memory(DeviceFacts(device="cpu", memory_gb=64, n_threads=4), wish_gb=None, as_published=True).value == 8
    )


def test_speed_matters_on_a_cpu_and_is_assumed_where_not_measured() -> None:
    assert decide_gflops(DeviceFacts(device="cuda", memory_gb=8, n_threads=4)).value is None
    assert decide_gflops(DeviceFacts(device="cpu", memory_gb=8, n_threads=4, gflops=70)).value == 70
    assert "assumed" in decide_gflops(DeviceFacts(device="cpu", memory_gb=8, n_threads=4)).reason
