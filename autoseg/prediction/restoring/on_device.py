"""How is a grid filled with what several networks say, on a GPU?

Blocks of rows are sent there, resampled, decided and fetched as labels; every output of a block is computed, for a
device has arithmetic to spare. What is decided is what `on_cpu` decides, but for ties within rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from autoseg.data.labels import Region
from autoseg.prediction.memory.spilled import release
from autoseg.prediction.restoring.device_resampling import apply_on_device
from autoseg.prediction.restoring.pieces import Cut, cut, split_into_blocks, take_piece
from autoseg.preprocessing.resampling import Matrices

if TYPE_CHECKING:
    from autoseg.prediction.restoring.on_cpu import Rows3, Target
    from autoseg.prediction.restoring.restore import Member

BYTES_PER_LOGIT = 20  # on the device: two stages of resampling, a member's probabilities, their sum, and their entropy
BYTES_IN_MEMORY = 8  # of a logit: what is sent, and what is fetched for files
SHARE_OF_FREE_MEMORY = 0.5  # another case may be computed there meanwhile

Array = np.ndarray


def fill_on_device(
    members: Sequence[Member], matrices: Sequence[Matrices], target: Target, slab_bytes: int, device: torch.device
) -> Array:
    """As `on_cpu.fill`, with blocks that fit into the device's free memory; `slab_bytes` are those in memory."""
    sums = np.zeros((3, members[0].n_outputs))
    shape = target.segmentation.shape
    n_logits = choose_block(slab_bytes, _measure_free_bytes(device))
    with torch.inference_mode():
        for first, second in split_into_blocks(shape, n_logits // members[0].n_outputs):
            rows = (first, second, slice(0, shape[2]))
            cuts = [[cut(matrix, its) for matrix, its in zip(maps, rows, strict=True)] for maps in matrices]
            sums += _fill_block(members, cuts, rows, target, device)
            for member in members:
                release(member.logits)
    return sums


def choose_block(slab_bytes: int, free_bytes: int) -> int:
    """Logits of a block, so that both the device's free memory and the process's allowance hold it."""
    return min(slab_bytes // BYTES_IN_MEMORY, int(SHARE_OF_FREE_MEMORY * free_bytes) // BYTES_PER_LOGIT)


def _fill_block(
    members: Sequence[Member], cuts: Sequence[Sequence[Cut]], rows: Rows3, target: Target, device: torch.device
) -> Array:
    regions = members[0].regions
    logits = (_resample(member.logits, its, device) for member, its in zip(members, cuts, strict=True))
    values = next(logits)
    segment = _choose(values, regions, threshold=0.0) if len(members) == 1 else None
    if segment is None or target.wants_probabilities:
        values = _average_probabilities(values, logits, len(members), are_regions=bool(regions))
    if segment is None:
        segment = _choose(values, regions, threshold=0.5)
    target.segmentation[rows] = segment.to(torch.int16).cpu().numpy()
    if target.entropy is not None:
        target.entropy[rows] = _measure_entropy(values, are_regions=bool(regions)).cpu().numpy()
    if target.sink is not None:
        target.sink.write(rows, values.cpu().numpy())
    return _sum_softness(values, segment, regions) if target.measures_softness else np.zeros((3, len(values)))


def _resample(logits: Array, cuts: Sequence[Cut], device: torch.device) -> Tensor:
    source = torch.from_numpy(take_piece(logits, cuts)).to(device)
    return apply_on_device(source, tuple(its.weights for its in cuts))


def _choose(values: Tensor, regions: Sequence[Region], threshold: float) -> Tensor:
    if not regions:
        return values.argmax(dim=0)
    result = torch.zeros(values.shape[1:], dtype=torch.int64, device=values.device)
    for value, region in zip(values, regions, strict=True):
        result[value > threshold] = region.paints
    return result


def _average_probabilities(first: Tensor, others: Iterator[Tensor], n_members: int, *, are_regions: bool) -> Tensor:
    """Mean probabilities over the members, which are resampled one after the other."""
    total = _to_probabilities(first, are_regions)
    for logits in others:
        total += _to_probabilities(logits, are_regions)
    return total.div_(n_members)


def _to_probabilities(logits: Tensor, are_regions: bool) -> Tensor:
    return logits.sigmoid() if are_regions else logits.softmax(dim=0)


def _measure_entropy(probabilities: Tensor, *, are_regions: bool) -> Tensor:
    """As `labels_from_logits.measure_entropy`."""
    if are_regions:
        nearest = (probabilities - 0.5).abs().amin(dim=0)
        parts = torch.stack([0.5 + nearest, 0.5 - nearest])
    else:
        parts = probabilities
    share = torch.special.entr(parts).sum(dim=0) / np.log(max(len(parts), 2))
    result: Tensor = (share.clamp(0, 1) * 255).round().to(torch.uint8)
    return result


def _sum_softness(probabilities: Tensor, segment: Tensor, regions: Sequence[Region]) -> Array:
    """As `on_cpu.add_softness`: sums (3, K) of this block."""
    rows = []
    for output, probability in enumerate(probabilities):
        labels = regions[output].labels if regions else (output,)
        given = torch.isin(segment, torch.tensor(labels, device=segment.device))
        rows.append(torch.stack([given.sum().float(), (probability * given).sum(), probability.sum()]))
    sums: Array = torch.stack(rows, dim=1).cpu().numpy().astype(np.float64)
    return sums


def _measure_free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    return 2**62
