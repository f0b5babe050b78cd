"""What can this machine do?

Memory, threads and speed, measured in well under a second and without torch: a GPU is found through its driver's own
command, a CPU's limits through the scheduler and the control group that contain the process.
"""

from __future__ import annotations

import math
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np
import pydantic

from autoseg.errors import UsageError
from autoseg.serialization import Record, did_you_mean

DEVICES = ("auto", "cpu", "cuda", "mps")
BYTES_PER_GB = 1e9
BYTES_PER_MIB = 2**20
QUERY = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
QUERY_TIMEOUT_S = 10
MATRIX_EDGE = 1024  # float32, 4 MB each: beyond the second-level cache of most cores
N_ROUNDS, ROUND_S = 4, 0.07  # best of four rounds, 0.3 s in all
CGROUP = Path("/sys/fs/cgroup")


class DeviceFacts(Record):
    """What was measured of a machine.

    Attributes:
        device: `cpu`, `cuda` or `mps`.
        memory_gb: of the GPU in all; on a CPU what is free, within the limits of the control group. 1 GB = 1e9 bytes.
        n_threads: CPU threads that the process may use.
        gflops: billions of floating-point operations per second in a float32 matrix product on the CPU.
    """

    device: Literal["cpu", "cuda", "mps"]
    memory_gb: float = pydantic.Field(gt=0)
    n_threads: int = pydantic.Field(ge=1)
    gflops: float | None = pydantic.Field(default=None, gt=0)


def measure_device(device: str = "auto") -> DeviceFacts:
    """Measure the device of that name; `auto` takes a GPU where there is one.

    Raises:
        UsageError: the name is not known, or there is no such device.
    """
    if device not in DEVICES:
        raise UsageError(f"device {device} is not known.{did_you_mean(device, DEVICES)}")
    n_threads = count_threads()
    gpu_gb = measure_gpu_memory_gb() if device in ("auto", "cuda") else None
    if gpu_gb is not None:
        return DeviceFacts(device="cuda", memory_gb=gpu_gb, n_threads=n_threads)
    if device == "cuda":
        raise UsageError("device cuda: nvidia-smi reports no GPU on this machine. Use cpu, or mend the driver.")
    has_mps = sys.platform == "darwin" and platform.machine() == "arm64"
    if device == "mps" and not has_mps:
        raise UsageError("device mps: this is not a Mac with an Apple processor. Use cpu.")
    if has_mps and device in ("auto", "mps"):
        return DeviceFacts(device="mps", memory_gb=measure_free_memory_gb(), n_threads=n_threads)
    return DeviceFacts(device="cpu", memory_gb=measure_free_memory_gb(), n_threads=n_threads, gflops=measure_gflops())


def measure_gpu_memory_gb() -> float | None:
    """Memory of the first NVIDIA GPU in GB, None where there is none."""
    if shutil.which(QUERY[0]) is None:
        return None
    try:
        answer = subprocess.run(QUERY, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=True)
    except (subprocess.SubprocessError, OSError):
        return None
    return parse_gpu_memory_gb(answer.stdout)


def parse_gpu_memory_gb(answer: str) -> float | None:
    """Read the driver's answer, one line of MiB per GPU."""
    lines = answer.strip().splitlines()
    if not lines or not lines[0].strip().isdigit():
        return None
    return round(int(lines[0]) * BYTES_PER_MIB / BYTES_PER_GB, 2)


def count_threads() -> int:
    """CPU threads that this process may use: by the scheduler, and by the control group's quota."""
    n_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _read_words(CGROUP / "cpu.max")
    if len(quota) == 2 and quota[0] != "max":
        n_threads = min(n_threads, math.ceil(int(quota[0]) / int(quota[1])))
    return max(n_threads, 1)


def measure_free_memory_gb() -> float:
    """Free memory in GB, within the limit of the control group."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = [line for line in _read_lines(Path("/proc/meminfo")) if line.startswith("MemAvailable:")]
    if available:
        free = int(available[0].split()[1]) * 1024
    limit, used = _read_words(CGROUP / "memory.max"), _read_words(CGROUP / "memory.current")
    if limit and used and limit[0] != "max":
        free = min(free, max(int(limit[0]) - int(used[0]), BYTES_PER_MIB))
    return round(free / BYTES_PER_GB, 2)


def measure_gflops() -> float:
    """Speed of a float32 matrix product on all threads, best of four short rounds, to three digits.

    Counted by processor time, which other programs on the machine stretch far less than the clock's: a plan should not
    depend on what else ran while it was made.
    """
    generator = np.random.default_rng(0)
    left, right = generator.random((2, MATRIX_EDGE, MATRIX_EDGE), dtype=np.float32)
    np.matmul(left, right)  # starts the threads
    best = max(_count_products_per_processor_s(left, right) for _ in range(N_ROUNDS))
    return float(f"{best * count_threads() * 2 * MATRIX_EDGE**3 / 1e9:.3g}")


def _count_products_per_processor_s(left: np.ndarray, right: np.ndarray) -> float:
    n_products, began, processor_began = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < ROUND_S:
        np.matmul(left, right)
        n_products += 1
    return n_products / (time.process_time() - processor_began)


def _read_words(path: Path) -> list[str]:
    lines = _read_lines(path)
    return lines[0].split() if lines else []


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
