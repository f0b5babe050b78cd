"""How many patches does one iteration hold? (batch size)

Source: Isensee et al., Nature Methods 2021: what the published yardstick allows once the patch is as large as it can
be, but not a large part of a small dataset. Beyond it, what the device really holds.
"""

from __future__ import annotations

from autoseg.decision import Decision, ruled
from autoseg.planning.reference import MIN_BATCH

CPU_BATCH = {2: 4, 3: 2}  # by number of dimensions: small, since many steps beat large ones in a short time; own choice


def decide_batch_size(*, allowed: int, bearable: int, share: float, holdable: int | None) -> Decision[int]:
    """The batch on a device where memory is short.

    Args:
        allowed: by the published yardstick.
        bearable: what `share` of the dataset amounts to.
        holdable: by the bytes that the network holds; None where only the published yardstick counts.
    """
    inputs = {"allowed": allowed, "bearable": bearable, "holdable": holdable}
    batch = max(min(allowed, bearable), MIN_BATCH)
    if holdable is not None and holdable < batch:
        return ruled(max(holdable, 1), _tell_holdable(holdable), **inputs)
    if batch > min(allowed, bearable):
        return ruled(batch, f"at least {MIN_BATCH}, so that gradients are averaged", **inputs)
    if bearable < allowed:
        sentence = f"the published yardstick allows {allowed}, but a batch stays below {share:.0%} of the dataset"
        return ruled(batch, sentence, **inputs)
    return ruled(batch, f"the published yardstick allows {allowed} patches of this size", **inputs)


def decide_cpu_batch_size(*, n_dimensions: int, holdable: int) -> Decision[int]:
    """The batch on a CPU, where time is short and memory is not."""
    batch = CPU_BATCH[n_dimensions]
    if holdable < batch:
        return ruled(max(holdable, 1), _tell_holdable(holdable), holdable=holdable)
    return ruled(batch, f"on a CPU many small steps teach more than few large ones, so {batch}", holdable=holdable)


def _tell_holdable(holdable: int) -> str:
    if holdable == 0:
        return "WARNING: the device's memory holds not even one patch, but there is no smaller batch"
    return f"the device's memory holds {holdable}"


def count_bearable(*, share: float, dataset_voxels: float, patch_voxels: int) -> int:
    """Patches that amount to a share of the dataset."""
    return round(dataset_voxels * share / patch_voxels)
