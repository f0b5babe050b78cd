"""What may training spend on this device? (budget)

Memory is what the device has, less what others need; on a CPU the matrix speed says what an hour is worth.
"""

from __future__ import annotations

from autoseg.decision import Decision, ruled
from autoseg.planning.devices import ASSUMED_GPU_GB, DeviceFacts, Speed
from autoseg.planning.reference import SIZES
from autoseg.planning.throughput import assume_speeds

GPU_MARGIN = 0.1  # of a GPU's memory is left to its driver, the display and the allocator; own choice
MPS_SHARE = 0.6  # of the memory that a Mac's processor and GPU share; own choice
CPU_SHARE = 0.5  # of the free memory, so that workers and prediction have room; own choice
PUBLISHED_GB = 8.0  # what the published default planner plans for
ASSUMED_GFLOPS_PER_THREAD = 50.0  # where nothing was measured


def decide_device(device: DeviceFacts) -> Decision[str]:
    """Where training runs."""
    if device.is_assumed:
        return ruled(device.device, "to be planned for, though it is not here: nothing of it was measured")
    return ruled(device.device, f"what this machine has, with {device.n_threads} CPU thread(s)")


def decide_memory(
    device: DeviceFacts, *, wish_gb: float | None, size: str | None, as_published: bool
) -> Decision[float]:
    """Memory that training may use, in GB.

    Args:
        wish_gb: what a person asked for.
        size: a published preset, which stands for a memory of its own.
    """
    there_gb = device.total_memory_gb or device.memory_gb
    if wish_gb is not None and wish_gb > there_gb and not (as_published or device.is_assumed):
        reason = f"WARNING: asked for, although this device has only {there_gb:.1f} GB"
        return Decision(value=wish_gb, reason=reason, source="user")
    if wish_gb is not None:
        return Decision(value=wish_gb, reason="asked for", source="user")
    own = _count_free(device)
    if size is not None:
        published = SIZES[size].memory_gb
        if as_published or device.is_assumed or own.value >= published:
            return ruled(published, f"what the preset {size.upper()} was published for")
        reason = f"WARNING: less than the {published:g} GB of the preset {size.upper()} asked for: {own.reason}"
        return own.model_copy(update={"reason": reason})
    if as_published:
        return ruled(PUBLISHED_GB, f"the published rules plan for {PUBLISHED_GB:g} GB unless told otherwise")
    if device.is_assumed:
        return ruled(
            ASSUMED_GPU_GB, f"{ASSUMED_GPU_GB:g} GB assumed, for this device was not measured; say --gpu-memory"
        )
    return own


def _count_free(device: DeviceFacts) -> Decision[float]:
    """What training may use of the device's memory."""
    there = round(device.memory_gb, 1)
    if device.device == "cpu":
        share, words = CPU_SHARE, f"{CPU_SHARE:.0%} of {there} GB of free memory"
    elif device.device == "mps":
        share, words = MPS_SHARE, f"{MPS_SHARE:.0%} of {there} GB that processor and GPU share"
    else:
        taken = "" if device.total_memory_gb is None else f" of {device.total_memory_gb:.1f}"
        words = f"{there} GB free{taken} on the GPU, less {GPU_MARGIN:.0%} for its driver and allocator"
        share = 1 - GPU_MARGIN
    return ruled(round(device.memory_gb * share, 1), words, device_memory_gb=there)


def decide_speeds(device: DeviceFacts) -> Decision[dict[str, Speed]]:
    """How fast training runs on the device, as far as anybody knows."""
    if device.speeds:
        speeds: dict[str, Speed] = {str(name): speed for name, speed in device.speeds.items()}
        return ruled(speeds, "measured by `autoseg probe` with small trainings on this device")
    if device.device != "cpu":
        return ruled({}, "not known; `autoseg probe` measures it in seconds")
    if device.gflops is None:
        assumed = ASSUMED_GFLOPS_PER_THREAD * device.n_threads
        reason = f"not measured: {ASSUMED_GFLOPS_PER_THREAD:g} GFLOP/s per thread assumed; `autoseg probe` measures it"
        return ruled(assume_speeds(assumed), reason, gflops=assumed)
    reason = "from the speed of matrix products on this CPU; `autoseg probe` measures it more closely"
    return ruled(assume_speeds(device.gflops), reason, gflops=device.gflops)
