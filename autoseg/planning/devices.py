"""What can this machine do?

Memory, threads and speed, measured in well under a second and without torch: a GPU is found through its driver's own
command, a CPU's limits through the scheduler and the control group that contain the process.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import sys
import time
from typing import Literal

import numpy as np
import pydantic

from autoseg.errors import UsageError
from autoseg.machine import count_cores, measure_free_memory_bytes
from autoseg.serialization import Record, did_you_mean

DEVICES = ("auto", "cpu", "cuda", "mps")
BYTES_PER_GB = 1e9
BYTES_PER_MIB = 2**20
QUERY = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
QUERY_TIMEOUT_S = 10
MATRIX_EDGE = 1024  # float32, 4 MB each: beyond the second-level cache of most cores
N_ROUNDS, ROUND_S = 4, 0.07  # best of four rounds, 0.3 s in all


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
    n_threads = count_cores()
    free_gb = round(measure_free_memory_bytes() / BYTES_PER_GB, 2)
    gpu_gb = measure_gpu_memory_gb() if device == "cuda" or (device == "auto" and is_torch_for_gpus()) else None
    if gpu_gb is not None:
        return DeviceFacts(device="cuda", memory_gb=gpu_gb, n_threads=n_threads)
    if device == "cuda":
        raise UsageError("device cuda: nvidia-smi reports no GPU on this machine. Use cpu, or mend the driver.")
    has_mps = sys.platform == "darwin" and platform.machine() == "arm64"
    if device == "mps" and not has_mps:
        raise UsageError("device mps: this is not a Mac with an Apple processor. Use cpu.")
    if has_mps and device in ("auto", "mps"):
        return DeviceFacts(device="mps", memory_gb=free_gb, n_threads=n_threads)
    return DeviceFacts(device="cpu", memory_gb=free_gb, n_threads=n_threads, gflops=measure_gflops())


def is_torch_for_gpus() -> bool:
    """Whether the installed build of torch can use a GPU; its version tells, without loading it."""
    try:
        return not importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return True


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


def measure_gflops() -> float:
    """Speed of a float32 matrix product on all threads, best of four short rounds, to three digits.

    Counted by processor time, which other programs on the machine stretch far less than the clock's: a plan should not
    depend on what else ran while it was made.
    """
    generator = np.random.default_rng(0)
    left, right = generator.random((2, MATRIX_EDGE, MATRIX_EDGE), dtype=np.float32)
    np.matmul(left, right)  # starts the threads
    best = max(_count_products_per_processor_s(left, right) for _ in range(N_ROUNDS))
    return float(f"{best * count_cores() * 2 * MATRIX_EDGE**3 / 1e9:.3g}")


def _count_products_per_processor_s(left: np.ndarray, right: np.ndarray) -> float:
    n_products, began, processor_began = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < ROUND_S:
        np.matmul(left, right)
        n_products += 1
    return n_products / (time.process_time() - processor_began)
