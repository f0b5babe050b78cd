"""How does a network that takes only some shapes run from any patch?

Its input is padded with zeros behind the last voxels up to the next shape that it takes, and its logits are cropped
again. What is computed on the padding costs time and memory like the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

FIRST_AXIS = 2  # of (batch, channel, *axes)


class Padded(nn.Module):
    """A network whose input is padded, and whose logits are cropped.

    Args:
        network: (batch, channel, *fitted) -> logits (batch, label, *fitted).
        multiple: what each axis must be divisible by.
        smallest: voxels per axis that it takes at least; None for one multiple.
        n_deepest: voxels that its deepest map must have at least; one is too few for an instance normalisation.
    """

    def __init__(
        self, network: nn.Module, multiple: int, *, smallest: Sequence[int] | None = None, n_deepest: int = 1
    ) -> None:
        super().__init__()
        self.network = network
        self.multiple = multiple
        self.smallest = None if smallest is None else tuple(smallest)
        self.n_deepest = n_deepest

    def forward(self, image: Tensor) -> Tensor:
        shape = tuple(image.shape[FIRST_AXIS:])
        fitted = fit_shape(shape, self.multiple, smallest=self.smallest, n_deepest=self.n_deepest)
        if fitted == shape:
            return self.network(image)  # type: ignore[no-any-return]
        behind = [(0, new - old) for old, new in zip(shape, fitted, strict=True)]
        padding = [amount for pair in reversed(behind) for amount in pair]  # torch counts axes from the last
        logits = self.network(functional.pad(image, padding))
        return logits[(..., *(slice(size) for size in shape))].contiguous()  # type: ignore[no-any-return]


def fit_shape(
    shape: Sequence[int], multiple: int, *, smallest: Sequence[int] | None = None, n_deepest: int = 1
) -> tuple[int, ...]:
    """The next larger shape that a network takes; its last axis grows further where the deepest map is too small."""
    least = smallest or (multiple,) * len(shape)
    fitted = [multiple * math.ceil(max(size, few) / multiple) for size, few in zip(shape, least, strict=True)]
    n_without_last = math.prod(size // multiple for size in fitted[:-1])
    fitted[-1] = max(fitted[-1], multiple * math.ceil(n_deepest / n_without_last))
    return tuple(fitted)
