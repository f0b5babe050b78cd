"""Which device torch computes on, and what it holds."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from autoseg.errors import ResourceError, UsageError
from autoseg.planning.devices import BYTES_PER_GB, DEVICES
from autoseg.serialization import did_you_mean

OUT_OF_MEMORY = ("out of memory", "allocate memory")  # what torch says of GPUs, and of the CPU


def choose_device(name: str = "auto") -> torch.device:
    """Turn `auto`, `cpu`, `cuda`, `cuda:1` or `mps` into a device that is there.

    Raises:
        UsageError: the word is unknown, or torch cannot see such a device.
    """
    kind = name.split(":")[0]
    if kind not in DEVICES:
        raise UsageError(f"--device {name} is not known.{did_you_mean(kind, DEVICES)}")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device in ("cuda", "mps", "cpu") if there[device]))
    if not there[kind]:
        raise UsageError(
            f"--device {name}: this installation of torch {torch.__version__} sees no such device. "
            "Use --device cpu, or install a build of torch for it (see README)."
        )
    return torch.device(name)


def measure_peak_memory_gb(device: torch.device) -> float:
    """Peak memory so far: allocated on a GPU, resident in the process elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / BYTES_PER_GB
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / BYTES_PER_GB


@contextmanager
def explaining_out_of_memory(held: str) -> Iterator[None]:
    """Turn a device's out-of-memory error into one line: what was being held, and what to set."""
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        if isinstance(problem, RuntimeError) and not any(words in str(problem) for words in OUT_OF_MEMORY):
            raise
        first = str(problem).splitlines()[0] if str(problem) else "no memory left"
        raise ResourceError(
            f"Out of memory while holding {held}: {first} Plan for less with `autoseg plan --gpu-memory GB`, "
            "or set a smaller batch_size or patch_size in the plan."
        ) from None
