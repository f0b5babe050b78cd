"""What does a network say about a window and its mirror images, averaged?

Source: Isensee et al., Nature Methods 2021; method part 5. All 2^n combinations of the axes weigh the same; each output
is mirrored back before it is averaged, as logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, combinations

from torch import Tensor

Network = Callable[[Tensor], Tensor]

LEADING_AXES = 2  # batch and channel stand before the spatial axes


def list_mirrorings(axes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Every subset of the axes, from none to all."""
    return tuple(chain.from_iterable(combinations(axes, n) for n in range(len(axes) + 1)))


def predict_mirrored(network: Network, batch: Tensor, axes: Sequence[int] = ()) -> Tensor:
    """Average a network's logits over all mirrorings.

    Args:
        network: (B, C, *patch) -> logits (B, K, *patch).
        batch: (B, C, *patch).
        axes: spatial axes of the patch, counted from 0, along which anatomy may be mirrored.

    Returns:
        float32 logits (B, K, *patch).
    """
    mirrorings = list_mirrorings(axes)
    total = network(batch).float()
    for mirroring in mirrorings[1:]:
        flipped = [LEADING_AXES + axis for axis in mirroring]
        total = total + network(batch.flip(flipped)).float().flip(flipped)
    return total / len(mirrorings)
