"""Energy is what the counters say, over their whole range, and nothing where nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autoseg.networks.energy import GpuEnergy, ProcessorEnergy, measuring_energy

RANGE_UJ = 1_000_000


def write_zone(folder: Path, zone: str, name: str, energy_uj: int) -> Path:
    place = folder / zone
    place.mkdir(parents=True, exist_ok=True)
    (place / "name").write_text(f"{name}\n")
    (place / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    (place / "energy_uj").write_text(f"{energy_uj}\n")
    return place / "energy_uj"


def test_packages_and_memory_are_summed_once(tmp_path: Path) -> None:
    first = write_zone(tmp_path, "intel-rapl:0", "package-0", 100)
    memory = write_zone(tmp_path, "intel-rapl:0:1", "dram", 50)
    counted_within = [
        write_zone(tmp_path, "intel-rapl:0:0", "core", 10),
        write_zone(tmp_path, "intel-rapl:1", "psys", 10),
    ]
    with measuring_energy(folder=tmp_path) as reading:
        assert reading.joules is None
        first.write_text("500100")
        memory.write_text("200050")
        for file in counted_within:
            file.write_text("900000")
    assert reading.joules == pytest.approx(0.7)
    assert reading.source == "processors (RAPL)"


def test_a_counter_that_begins_anew_goes_on(tmp_path: Path) -> None:
    file = write_zone(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 100)
    counter = ProcessorEnergy(tmp_path)
    file.write_text("200")
    assert counter() == pytest.approx(300e-6)
    file.write_text("100")  # and once more
    assert counter() == pytest.approx(300e-6 + (RANGE_UJ - 100) * 1e-6)


def test_where_nothing_tells_there_is_no_number(tmp_path: Path) -> None:
    with measuring_energy(folder=tmp_path / "absent") as reading:
        pass
    assert (reading.joules, reading.source) == (None, "no energy counter of this machine can be read")


def test_an_unreadable_counter_tells_nothing(tmp_path: Path) -> None:
    write_zone(tmp_path, "intel-rapl:0", "package-0", 1).unlink()
    with measuring_energy(folder=tmp_path) as reading:
        pass
    assert reading.joules is None


def test_a_counter_that_goes_away_spoils_the_reading_and_not_the_work(tmp_path: Path) -> None:
    file = write_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    with measuring_energy(folder=tmp_path) as reading:
        file.unlink()
    assert reading.joules is None


def test_work_on_a_gpu_without_a_counter_is_not_told_by_the_processors(tmp_path: Path) -> None:
    write_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    with measuring_energy(torch.device("mps"), folder=tmp_path) as reading:
        pass
    assert reading.joules is None


def test_a_gpu_that_is_not_there_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match=r"libnvidia|nvml"):
        GpuEnergy("GPU-00000000-0000-0000-0000-000000000000")


def test_the_work_may_fail_as_it_likes(tmp_path: Path) -> None:
    write_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    with pytest.raises(ZeroDivisionError), measuring_energy(folder=tmp_path):
        raise ZeroDivisionError
