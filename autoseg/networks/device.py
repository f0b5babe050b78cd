"""Which device does torch compute on, and how much memory is held there?"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from autoseg.errors import ResourceError, UsageError
from autoseg.planning.devices import BYTES_PER_GB, DEVICES
from autoseg.serialization import did_you_mean

STATUS = Path("/proc/self/status")  # Linux: VmHWM is the peak of this process, ru_maxrss that of its parent if higher
CLEAR_REFERENCES, CLEAR_PEAK = Path("/proc/self/clear_refs"), "5"  # Linux: the peak of the resident set starts anew
OUT_OF_MEMORY = ("out of memory", "allocate memory")  # what torch says of GPUs, and of the CPU
TRAINING_REMEDY = (
    "Plan for less with `autoseg plan --gpu-memory GB`, or set a smaller batch_size or patch_size in the plan."
)
PREDICTION_REMEDY = "Allow less by --memory, choose fewer folds by --fold, or compute on --device cpu."


def choose_device(name: str = "auto") -> torch.device:
    """Turn `auto`, `cpu`, `cuda`, `cuda:1` or `mps` into a device that is there; `cuda` into this process' GPU.

    Raises:
        UsageError: the word is unknown, or torch cannot see such a device.
    """
    kind = name.split(":")[0]
    if kind not in DEVICES:
        raise UsageError(f"--device {name} is not known.{did_you_mean(kind, DEVICES)}")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there[name.split(":")[0]]:
        raise UsageError(
            f"--device {name}: this installation of torch {torch.__version__} sees no such device. "
            "Use --device cpu, or install a build of torch for it (see README)."
        )
    if _is_distributed() and name.startswith("cuda:"):
        raise UsageError(f"--device {name}: all processes would share it. Use --device cuda: each takes its own GPU.")
    if name == "cuda" and _is_distributed():  # each process of a machine has a GPU of its own
        return torch.device("cuda", distributed.get_node_local_rank())
    return torch.device(name)


def find_mixed_type(precision: str, device: torch.device) -> torch.dtype | None:
    """What a plan's precision means on this device: the narrow type of mixed arithmetic, None for float32 alone."""
    if device.type != "cuda":
        return None
    if precision == "bfloat16" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float16 if precision == "float16" else None


def forget_peak_memory(device: torch.device) -> None:
    """Let the next peak be measured from what is held now, where the system can: on CUDA and on Linux.

    What earlier work left is given back first, so that it does not count.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    give_back_memory()
    with suppress(OSError):
        CLEAR_REFERENCES.write_text(CLEAR_PEAK)


def give_back_memory() -> None:
    """Let the system have the pages that the allocator keeps between its blocks, which grow as a training goes on."""
    with suppress(OSError, AttributeError):  # the C library of other systems knows no such call
        ctypes.CDLL(None).malloc_trim(0)


def measure_peak_memory_gb(device: torch.device) -> float:
    """Peak memory so far: allocated on a GPU, resident in the process elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / BYTES_PER_GB
    with suppress(OSError, StopIteration):
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / BYTES_PER_GB
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / BYTES_PER_GB


@contextmanager
def explaining_out_of_memory(held: str, remedy: str = TRAINING_REMEDY) -> Iterator[None]:
    """Turn a device's out-of-memory error into one line.

    Args:
        held: what was in memory.
        remedy: the sentence that says what to set.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        if isinstance(problem, RuntimeError) and not any(words in str(problem) for words in OUT_OF_MEMORY):
            raise
        first = str(problem).splitlines()[0] if str(problem) else "no memory left"
        raise ResourceError(f"Out of memory while holding {held}: {first} {remedy}") from None


@contextmanager
def computing_exactly() -> Iterator[None]:
    """While it is entered, float32 on CUDA is float32: no TF32, whose products keep 10 bits behind the point.

    torch lets cuDNN convolve in TF32 unless it is told otherwise; matrix products are exact unless someone asked for
    less. The setting is the process's, whatever the thread; it is put back. Source: PyTorch, CUDA semantics,
    "TensorFloat-32".
    """
    part: Any = torch.backends.cudnn
    name: str = "allow_tf32"
    exact: bool | str = False
    try:
        before = part.allow_tf32
    except RuntimeError:  # someone set the newer name, and torch then refuses to read the older one
        part, name, exact = part.conv, "fp32_precision", "ieee"
        before = part.fp32_precision
    setattr(part, name, exact)
    try:
        yield
    finally:
        setattr(part, name, before)


def _is_distributed() -> bool:
    """Whether this process is one of several that train together, each with a GPU of its own."""
    return distributed.is_available() and distributed.is_initialized()
