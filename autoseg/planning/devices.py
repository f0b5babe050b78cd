"""What can this machine do?

Memory, threads and speed, measured in well under a second and without torch: a GPU is found through its driver's own
command, a CPU's limits through the scheduler and the control group that contain the process. How fast training runs is
measured by `autoseg probe` (pipeline/probing.py), which adds to the same facts.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pydantic

from autoseg.errors import UsageError
from autoseg.machine import count_cores, measure_free_memory_bytes
from autoseg.planning.gpus import Gpu, list_gpus
from autoseg.serialization import Record, did_you_mean

DEVICES = ("auto", "cpu", "cuda", "mps")
BYTES_PER_GB = 1e9
ASSUMED_GPU_GB = 8.0  # what most published plans were made for, where nobody says what there is
PROCESSORS = Path("/proc/cpuinfo")  # Linux; platform knows the processor's name elsewhere
MATRIX_EDGE = 1024  # float32, 4 MB each: beyond the second-level cache of most cores
N_ROUNDS, ROUND_S = 4, 0.07  # best of four rounds, 0.3 s in all


class Speed(Record):
    """How fast training runs, as numbers whose parts of an iteration add up.

    An iteration takes flops / gflops + values / gvalues, and what a probe has told apart from these: weights /
    gparameters + voxels / gvoxels + overhead_s.

    Attributes:
        gflops: billions of floating-point operations of convolutions per second.
        gvalues: billions of values per second that layers write, which rules where features are few.
        gparameters: billions of weights per second that clipping, optimiser and averaging renew; None where that is
            part of the numbers above.
        gvoxels: billions of image voxels per second that all cores together make batches of, as far as that slows
            training down; None where it does not, or is part of the numbers above.
        overhead_s: seconds of an iteration that depend on nothing.
    """

    gflops: float = pydantic.Field(gt=0)
    gvalues: float = pydantic.Field(gt=0)
    gparameters: float | None = pydantic.Field(default=None, gt=0)
    gvoxels: float | None = pydantic.Field(default=None, gt=0)
    overhead_s: float = pydantic.Field(default=0.0, ge=0)


class Trial(Record):
    """One small training that was timed, to compare ways of running it.

    Attributes:
        n_dimensions: 2 or 3.
        layout: of tensors in memory: `channels_last` or `contiguous`.
        n_threads: of the CPU; on a GPU they do not matter.
        iteration_s: seconds of its forward and backward pass.
    """

    n_dimensions: int
    layout: Literal["channels_last", "contiguous"]
    n_threads: int
    iteration_s: float


class DeviceFacts(Record):
    """What was measured of a machine. 1 GB = 1e9 bytes.

    Attributes:
        device: `cpu`, `cuda` or `mps`.
        memory_gb: what is free: of the GPU, or on a CPU within the limits of the control group.
        total_memory_gb: of the GPU in all; None where only what is free is known.
        index: which GPU, as torch counts them: 1 for `cuda:1`.
        name: of the GPU or the processor, empty where the system does not tell.
        n_threads: CPU threads that the process may use.
        gflops: billions of floating-point operations per second in a float32 matrix product on the CPU.
        speeds: of training, by number of dimensions (`2d`, `3d`), as `autoseg probe` measures them; empty before.
        probed_on: the day of that measurement (2026-11-21), None before.
        is_busy: whether other programs took so much of the machine then that speeds were taken from processor time.
        precision: of the arithmetic that speeds were measured with.
        trials: what was compared then.
        is_assumed: whether nobody measured it: a device to plan for that is not here.
    """

    device: Literal["cpu", "cuda", "mps"]
    memory_gb: float = pydantic.Field(gt=0)
    total_memory_gb: float | None = pydantic.Field(default=None, gt=0)
    index: int = pydantic.Field(default=0, ge=0)
    name: str = ""
    n_threads: int = pydantic.Field(ge=1)
    gflops: float | None = pydantic.Field(default=None, gt=0)
    speeds: dict[Literal["2d", "3d"], Speed] = {}
    probed_on: str | None = None
    is_busy: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    trials: tuple[Trial, ...] = ()
    is_assumed: bool = False


def assume_gpu(memory_gb: float = ASSUMED_GPU_GB) -> DeviceFacts:
    """What is known of a GPU that need not be in this machine."""
    return DeviceFacts(device="cuda", memory_gb=memory_gb, n_threads=count_cores(), is_assumed=True)


def measure_device(device: str = "auto") -> DeviceFacts:
    """Measure the device of that name: `cpu`, `cuda`, `cuda:1` or `mps`; `auto` takes a GPU where there is one.

    Raises:
        UsageError: the name is not known, or there is no such device.
    """
    kind, index = parse_device(device)
    gpus = {"cuda": list_gpus, "auto": _find_gpus}.get(kind, tuple)()
    if gpus:
        return _describe_gpu(gpus, index)
    has_mps = sys.platform == "darwin" and platform.machine() == "arm64"
    if kind == "mps" and not has_mps:
        raise UsageError("device mps: this is not a Mac with an Apple processor. Use cpu.")
    free_gb = round(measure_free_memory_bytes() / BYTES_PER_GB, 2)
    name, n_threads = find_processor_name(), count_cores()
    if has_mps and kind in ("auto", "mps"):
        return DeviceFacts(device="mps", memory_gb=free_gb, name=name, n_threads=n_threads)
    return DeviceFacts(device="cpu", memory_gb=free_gb, name=name, n_threads=n_threads, gflops=measure_gflops())


def parse_device(device: str) -> tuple[str, int]:
    """The kind and number of a device: `cuda:1` is (`cuda`, 1). Raises UsageError for a word that names none."""
    kind, _, number = device.partition(":")
    if kind not in DEVICES:
        raise UsageError(f"device {device} is not known.{did_you_mean(kind, DEVICES)}")
    if ":" in device and (kind != "cuda" or not number.isdecimal()):
        raise UsageError(f"device {device} is not known: a number follows cuda alone, as in cuda:1.")
    return kind, int(number or 0)


def is_torch_for_gpus() -> bool:
    """Whether the installed build of torch can use a GPU; its version tells, without loading it."""
    try:
        return not importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return True


def _find_gpus() -> tuple[Gpu, ...]:
    """The GPUs that torch could use, none where there is none or the driver fails."""
    if not is_torch_for_gpus():
        return ()
    try:
        return list_gpus()
    except UsageError:
        return ()


def _describe_gpu(gpus: Sequence[Gpu], index: int) -> DeviceFacts:
    if index >= len(gpus):
        numbers = "cuda:0 alone" if len(gpus) == 1 else f"cuda:0 to cuda:{len(gpus) - 1}"
        raise UsageError(f"device cuda:{index}: this machine has {numbers}. Use one of these, or cpu.")
    gpu = gpus[index]
    if gpu.free_gb <= 0:
        raise UsageError(f"device cuda:{index}: all {gpu.total_gb:g} GB are taken. Wait for other jobs, or use cpu.")
    return DeviceFacts(
        device="cuda",
        memory_gb=gpu.free_gb,
        total_memory_gb=gpu.total_gb,
        index=index,
        name=gpu.name,
        n_threads=count_cores(),
    )


def find_processor_name() -> str:
    """What the CPU calls itself."""
    try:
        lines = PROCESSORS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


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
