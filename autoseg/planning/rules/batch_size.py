"""How many patches does one iteration hold? (batch size)

Source: Isensee et al., Nature Methods 2021: what the published yardstick allows once the patch is as large as it can
be, but not a large part of a small dataset. Beyond it, what the device really holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoseg.decision import Decision, ruled
from autoseg.planning.reference import MIN_BATCH

MAX_SHARE_OF_DATASET = 0.05  # of all voxels that a batch may hold; borrowed from the plain network's planner
CPU_BATCH = {2: 4, 3: 2}  # by number of dimensions: small, since many steps beat large ones in a short time; own choice


def decide_published_batch_size(*, allowed: int, bearable: int, share: float) -> Decision[int]:
    """The batch that nnU-Net plans: what its yardstick allows, below a share of the dataset, at least two.

    Args:
        allowed: by the published yardstick.
        bearable: what `share` of the dataset amounts to.
    """
    inputs = {"allowed": allowed, "bearable": bearable}
    batch = max(min(allowed, bearable), MIN_BATCH)
    if batch > min(allowed, bearable):
        return ruled(batch, f"at least {MIN_BATCH}, so that gradients are averaged", **inputs)
    if bearable < allowed:
        sentence = f"the published yardstick allows {allowed}, but a batch stays below {share:.0%} of the dataset"
        return ruled(batch, sentence, **inputs)
    return ruled(batch, f"the published yardstick allows {allowed} patches of this size", **inputs)


def decide_batch_size(
    *, allowed: int, bearable: int, share: float, holdable: int, ceiling: int | None
) -> Decision[int]:
    """The batch on a device where memory is short.

    Args:
        allowed: by the published yardstick.
        bearable: what `share` of the dataset amounts to.
        holdable: by the bytes that the network holds.
        ceiling: beyond it a batch of this shrunken patch would show more voxels than one of the next larger patch, so
            that a larger device would get less; None where the patch was not shrunk.
    """
    inputs = {"allowed": allowed, "bearable": bearable, "holdable": holdable, "ceiling": ceiling}
    batch = max(min(allowed, bearable), MIN_BATCH)
    if ceiling is not None and max(ceiling, 1) < min(batch, holdable):
        sentence = f"the memory that is left after {ceiling} would serve a larger patch better"
        return ruled(max(ceiling, 1), sentence, **inputs)
    if holdable < batch:
        return ruled(max(holdable, 1), _tell_holdable(holdable), **inputs)
    if batch > min(allowed, bearable):
        return ruled(batch, f"at least {MIN_BATCH}, so that gradients are averaged", **inputs)
    if bearable < allowed:
        sentence = f"the published yardstick allows {allowed}, but a batch stays below {share:.0%} of the dataset"
        return ruled(batch, sentence, **inputs)
    return ruled(batch, f"the published yardstick allows {allowed} patches of this size", **inputs)


def decide_cpu_batch_size(*, n_dimensions: int, holdable: int, ceiling: int | None) -> Decision[int]:
    """The batch on a CPU, where time is short and memory is not; `ceiling` as for `decide_batch_size`."""
    batch = CPU_BATCH[n_dimensions]
    if ceiling is not None and max(ceiling, 1) < min(batch, holdable):
        reason = f"the memory that is left after {ceiling} would serve a larger patch better"
        return ruled(max(ceiling, 1), reason, holdable=holdable, ceiling=ceiling)
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


def count_wanted(sizes: Sequence[int], *, usual: int, bearable_voxels: float = math.inf) -> tuple[int, int | None]:
    """Patches that memory must hold for a patch to be taken, and the most that a batch of it may have.

    A batch of a smaller patch never shows more voxels than the larger ones on the way to it would have shown: so more
    memory never leads to less being seen.

    Args:
        sizes: voxels of the patches that were too large, from the first proposal down, and of this one.
        usual: the batch that a budget is known to serve well.
        bearable_voxels: what a batch may have of the dataset.
    """
    shown = most = None  # the fewest voxels that a batch of any larger patch shows; what that leaves for this one
    wanted = usual
    for voxels in sizes:
        most = None if shown is None else shown // voxels
        bearable = usual if math.isinf(bearable_voxels) else max(int(bearable_voxels // voxels), MIN_BATCH)
        wanted = min(usual, bearable) if most is None else min(usual, bearable, most)
        shown = wanted * voxels if shown is None else min(shown, wanted * voxels)
    return wanted, most
