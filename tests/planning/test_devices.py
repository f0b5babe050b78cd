from __future__ import annotations

import os

import pytest

from autoseg.errors import UsageError
from autoseg.planning import devices
from autoseg.planning.devices import measure_device, parse_gpu_memory_gb


def test_the_drivers_answer_is_mib_per_gpu() -> None:
    assert parse_gpu_memory_gb("24576\n8192\n") == pytest.approx(25.77)
    assert parse_gpu_memory_gb("") is None
    assert parse_gpu_memory_gb("[N/A]\n") is None


def test_a_cpu_has_threads_memory_and_speed() -> None:
    facts = measure_device("cpu")
    assert facts.device == "cpu"
    assert 1 <= facts.n_threads <= (os.cpu_count() or 1)
    assert facts.gflops is not None
    assert facts.gflops > 0.1
    assert 0 < facts.memory_gb <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9 + 0.01


def test_a_gpu_is_preferred_where_torch_can_use_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "measure_gpu_memory_gb", lambda: 24.0)
    monkeypatch.setattr(devices.importlib.metadata, "version", lambda name: "2.13.0+cu130")
    assert measure_device("auto").device == "cuda"
    monkeypatch.setattr(devices.importlib.metadata, "version", lambda name: "2.13.0+cpu")
    assert measure_device("auto").device == "cpu"
    assert measure_device("cpu").device == "cpu"


def test_a_device_that_is_not_there_or_not_known_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "measure_gpu_memory_gb", lambda: None)
    with pytest.raises(UsageError, match="reports no GPU"):
        measure_device("cuda")
    with pytest.raises(UsageError, match=r"Did you mean cuda\?"):
        measure_device("cud")


def test_without_the_drivers_command_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.shutil, "which", lambda name: None)
    assert devices.measure_gpu_memory_gb() is None
