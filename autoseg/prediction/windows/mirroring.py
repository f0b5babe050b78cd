"""What does a network say about a window and its mirror images, averaged?

Source: Isensee et al., Nature Methods 2021; method part 5. All 2^n combinations of the axes weigh the same; each output
is mirrored back before it is averaged, as logits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain, combinations

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]
Axes = tuple[int, ...]

LEADING_AXES = 2  # batch and channel stand before the spatial axes
WORKING_VALUES = 2**24  # float32 values that are flipped or added at a time: 64 MiB, whatever the number of outputs


def list_mirrorings(axes: Sequence[int]) -> tuple[Axes, ...]:
    """Every subset of the axes, from none to all."""
    return tuple(chain.from_iterable(combinations(axes, n) for n in range(len(axes) + 1)))


def predict_mirrored(network: Network, batch: Tensor, axes: Sequence[int] = (), *, most: int = 1) -> Tensor:
    """Average a network's logits over all mirrorings.

    Args:
        network: (B, C, *patch) -> logits (B, K, *patch).
        batch: (B, C, *patch).
        axes: spatial axes of the patch, counted from 0, along which anatomy may be mirrored.
        most: windows that the network sees at once; where the batch has fewer, mirror images fill it up.

    Returns:
        float32 logits (B, K, *patch).
    """
    mirrorings = list_mirrorings(axes)
    n_together = max(1, most // len(batch))
    total: Tensor | None = None
    for i in range(0, len(mirrorings), n_together):
        some = mirrorings[i : i + n_together]
        logits = network(torch.cat([flip(batch, mirroring) for mirroring in some])).float()
        if len(mirrorings) == 1:
            return logits
        total = torch.zeros_like(logits[: len(batch)]) if total is None else total
        for j, mirroring in enumerate(some):
            add_flipped(total, logits[j * len(batch) : (j + 1) * len(batch)], mirroring)
        del logits  # before the network runs again
    assert total is not None  # not to mirror is a mirroring, too
    return total.div_(len(mirrorings))


def flip(batch: Tensor, mirroring: Axes) -> Tensor:
    """Mirror (B, C, *patch) along spatial axes, counted from 0; itself where there are none."""
    return batch.flip([LEADING_AXES + axis for axis in mirroring]) if mirroring else batch


def add_flipped(total: Tensor, logits: Tensor, mirroring: Axes) -> None:
    """Mirror logits (B, K, *patch) back and add them to a sum, a few outputs at a time."""
    n_outputs = max(1, WORKING_VALUES // (len(logits) * math.prod(logits.shape[LEADING_AXES:])))
    for begin in range(0, logits.shape[1], n_outputs):
        some = slice(begin, begin + n_outputs)
        total[:, some] += flip(logits[:, some], mirroring)
