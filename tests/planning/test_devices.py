from __future__ import annotations

import os

import pytest

from autoseg.errors import UsageError
from autoseg.planning import devices
from autoseg.planning.devices import measure_device
from autoseg.planning.gpus import Gpu

GPUS = (Gpu(0, "GPU-aa", 25.77, 25.3, "RTX 4090"), Gpu(1, "GPU-bb", 8.59, 6.2, "RTX 3070"))


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "list_gpus", lambda: GPUS)
    monkeypatch.setattr(devices.importlib.metadata, "version", lambda name: "2.13.0+cu130")


def test_a_cpu_has_threads_memory_and_speed() -> None:
    facts = measure_device("cpu")
    assert facts.device == "cpu"
    assert 1 <= facts.n_threads <= (os.cpu_count() or 1)
    assert facts.gflops is not None
    assert facts.gflops > 0.1
    assert 0 < facts.memory_gb <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9 + 0.01
    assert (facts.speeds, facts.probed_on) == ({}, None)


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_is_preferred_where_torch_can_use_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert measure_device("auto").device == "cuda"
    monkeypatch.setattr(devices.importlib.metadata, "version", lambda name: "2.13.0+cpu")
    assert measure_device("auto").device == "cpu"
    assert measure_device("cpu").device == "cpu"


@pytest.mark.usefixtures("two_gpus")
def test_a_plan_is_for_what_is_free_on_the_gpu_that_was_named() -> None:
    first, second = measure_device("cuda"), measure_device("cuda:1")
    assert (first.memory_gb, first.total_memory_gb, first.index, first.name) == (25.3, 25.77, 0, "RTX 4090")
    assert (second.memory_gb, second.total_memory_gb, second.index, second.name) == (6.2, 8.59, 1, "RTX 3070")


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("cuda:2", "this machine has cuda:0 to cuda:1"),
        ("cud", r"Did you mean cuda\?"),
        ("cpu:0", "a number follows cuda alone"),
        ("cuda:x", "a number follows cuda alone"),
    ],
)
def test_a_device_that_is_not_there_or_not_known_is_one_clear_line(device: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as problem:
        measure_device(device)
    assert "\n" not in str(problem.value)


def test_a_gpu_that_others_have_filled_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "list_gpus", lambda: (GPUS[0]._replace(free_gb=0.0),))
    with pytest.raises(UsageError, match=r"all 25\.77 GB are taken"):
        measure_device("cuda")


def test_auto_falls_back_to_the_cpu_where_the_driver_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> tuple[Gpu, ...]:
        raise UsageError("device cuda: nvidia-smi fails")

    monkeypatch.setattr(devices, "list_gpus", fail)
    monkeypatch.setattr(devices.importlib.metadata, "version", lambda name: "2.13.0+cu130")
    assert measure_device("auto").device == "cpu"
    with pytest.raises(UsageError, match="nvidia-smi fails"):
        measure_device("cuda")
