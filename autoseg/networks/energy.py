"""How much energy did a piece of work take, where the machine tells?

Linux counts the energy of processors and their memory (powercap, "intel-rapl", AMD's included), in files that often
only an administrator may read; NVIDIA's driver counts that of a GPU since it was loaded (NVML, from Volta on). Both
count the whole part, whoever uses it: on a shared machine other work is in the number. Nothing is estimated: where no
counter can be read, there is no number.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

POWERCAP = Path("/sys/class/powercap")
ZONES = ("package", "dram")  # names of what is summed; cores are within a package, and psys holds all of them
MICRO, MILLI = 1e-6, 1e-3
LOOK_EVERY_S = 60.0  # a processor's counter begins anew after 262 kJ, 22 minutes of 200 W
NVML = "libnvidia-ml.so.1"

Counter = Callable[[], float]  # joules since some moment; raises OSError where it cannot be read


@dataclass
class EnergyReading:
    """The energy of a piece of work.

    Attributes:
        joules: None while it lasts, and where nothing on this machine tells.
        source: whose energy it is and who said so, or why there is no number.
    """

    joules: float | None = None
    source: str = ""


class ProcessorEnergy:
    """Joules of processors and their memory since this was made; to be asked more often than their counters begin anew.

    Args:
        folder: of powercap.

    Raises:
        OSError: there are no counters, or they cannot be read.
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._zones = _list_zones(folder)
        if not self._zones:
            raise FileNotFoundError(f"{folder} counts no energy")
        self._ranges = [_read_number(zone / "max_energy_range_uj") for zone in self._zones]
        self._last = self._read()
        self._spent = 0

    def __call__(self) -> float:
        now = self._read()
        for before, after, range_uj in zip(self._last, now, self._ranges, strict=True):
            self._spent += after - before if after >= before else after - before + range_uj
        self._last = now
        return self._spent * MICRO

    def _read(self) -> list[int]:
        return [_read_number(zone / "energy_uj") for zone in self._zones]


class GpuEnergy:
    """Joules of one NVIDIA GPU, asked of its driver through its own library.

    Args:
        uuid: of the GPU, as the driver names it: `GPU-...`.

    Raises:
        OSError: there is no driver, or this GPU does not count.
    """

    def __init__(self, uuid: str) -> None:
        self._library = ctypes.CDLL(NVML)
        self._handle = ctypes.c_void_p()
        self._ask("nvmlInit_v2")
        self._ask("nvmlDeviceGetHandleByUUID", uuid.encode(), ctypes.byref(self._handle))
        self._first = self._read()

    def __call__(self) -> float:
        return (self._read() - self._first) * MILLI

    def _read(self) -> int:
        millijoules = ctypes.c_ulonglong()
        self._ask("nvmlDeviceGetTotalEnergyConsumption", self._handle, ctypes.byref(millijoules))
        return int(millijoules.value)

    def _ask(self, name: str, *arguments: object) -> None:
        try:
            status = getattr(self._library, name)(*arguments)
        except AttributeError:
            raise OSError(f"{NVML} of this driver has no {name}") from None
        if status != 0:
            raise OSError(f"{name} answered {status}")


@contextmanager
def measuring_energy(device: torch.device | None = None, *, folder: Path = POWERCAP) -> Iterator[EnergyReading]:
    """Measure the energy of what runs inside: of the processors, and of the GPU that computes, if one does.

    Without a GPU's own number there is none at all for work on it, for the processors' alone would pass for the whole.

    Args:
        device: where torch computes; None for the processors alone.
        folder: of powercap.
    """
    reading = EnergyReading(source="no energy counter of this machine can be read")
    counters, sources = _find_counters(device, folder)
    if not counters:
        yield reading
        return
    stop = threading.Event()
    watcher = threading.Thread(target=_look_again, args=(counters, stop), daemon=True)
    watcher.start()
    try:
        yield reading
    finally:
        stop.set()
        watcher.join()
        with suppress(OSError):  # a counter that went away tells nothing
            reading.joules = sum(counter() for counter in counters)
            reading.source = " and ".join(sources)


def _find_counters(device: torch.device | None, folder: Path) -> tuple[list[Counter], list[str]]:
    """What can be read, and its name."""
    counters: list[Counter] = []
    sources: list[str] = []
    if device is not None and device.type != "cpu":
        try:
            counters.append(_find_gpu(device))
        except (OSError, RuntimeError, AssertionError, AttributeError):  # what torch says where it knows no such GPU
            return [], []
        sources.append(f"GPU {torch.cuda.get_device_name(device)} (NVML)")
    with suppress(OSError):
        counters.append(ProcessorEnergy(folder))
        sources.append("processors (RAPL)")
    return counters, sources


def _find_gpu(device: torch.device) -> GpuEnergy:
    if device.type != "cuda":
        raise OSError(f"{device.type} counts no energy")
    return GpuEnergy(f"GPU-{torch.cuda.get_device_properties(device).uuid}")


def _look_again(counters: Sequence[Counter], stop: threading.Event) -> None:
    while not stop.wait(LOOK_EVERY_S):
        for counter in counters:
            with suppress(OSError):
                counter()


def _list_zones(folder: Path) -> list[Path]:
    """Folders of the counters that together hold everything once."""
    zones = sorted(folder.glob("intel-rapl:*"))
    return [zone for zone in zones if (zone / "name").read_text(encoding="utf-8").startswith(ZONES)]


def _read_number(path: Path) -> int:
    return int(path.read_text(encoding="utf-8"))
