"""What may training spend on this device? (budget)

Memory is what the device has, less what others need; on a CPU the matrix speed says what an hour is worth.
"""

from __future__ import annotations

from autoseg.decision import Decision, ruled
from autoseg.planning.devices import DeviceFacts

GPU_MARGIN = 0.1  # of a GPU's memory is left to its driver, the display and the allocator; own choice
MPS_SHARE = 0.6  # of the memory that a Mac's processor and GPU share; own choice
CPU_SHARE = 0.5  # of the free memory, so that workers and prediction have room; own choice
PUBLISHED_GB = 8.0  # what the published default planner plans for
ASSUMED_GFLOPS_PER_THREAD = 50.0  # where nothing was measured


def decide_device(device: DeviceFacts) -> Decision[str]:
    """Where training runs."""
    return ruled(device.device, f"what this machine has, with {device.n_threads} CPU thread(s)")


def decide_memory(device: DeviceFacts, *, wish_gb: float | None, as_published: bool) -> Decision[float]:
    """Memory that training may use, in GB."""
    if wish_gb is not None:
        return Decision(value=wish_gb, reason="asked for", source="user")
    if as_published:
        return ruled(PUBLISHED_GB, f"the published rules plan for {PUBLISHED_GB:g} GB unless told otherwise")
    there = round(device.memory_gb, 1)
    if device.device == "cpu":
        share, words = CPU_SHARE, f"{CPU_SHARE:.0%} of {there} GB of free memory"
    elif device.device == "mps":
        share, words = MPS_SHARE, f"{MPS_SHARE:.0%} of {there} GB that processor and GPU share"
    else:
        share, words = 1 - GPU_MARGIN, f"{there} GB on the GPU, less {GPU_MARGIN:.0%} for its driver and allocator"
    return ruled(round(device.memory_gb * share, 1), words, device_memory_gb=there)


def decide_gflops(device: DeviceFacts) -> Decision[float | None]:
    """How fast the device multiplies matrices, where time is short."""
    if device.device != "cpu":
        return ruled(None, "on a GPU memory is short, not time; seconds per iteration are measured in training")
    if device.gflops is None:
        assumed = ASSUMED_GFLOPS_PER_THREAD * device.n_threads
        return ruled(assumed, f"not measured; {ASSUMED_GFLOPS_PER_THREAD:g} per thread assumed")
    return ruled(device.gflops, "measured with float32 matrix products")
