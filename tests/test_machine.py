"""A container's limits count as the machine's."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from autoseg import machine


def test_the_control_group_limits_cores_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text("30000000\n")
    (tmp_path / "memory.current").write_text("10000000\n")
    assert machine.count_cores() == 1
    assert machine.measure_free_memory_bytes() == 20_000_000


def test_without_limits_the_machine_is_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert 1 <= machine.count_cores() <= (os.cpu_count() or 1)
    assert 0 < machine.measure_free_memory_bytes() <= psutil.virtual_memory().total
