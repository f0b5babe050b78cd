"""Padding reaches the next shape that a network takes, and leaves no trace in what it answers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from autoseg.networks.adapters.padding import Padded, fit_shape


@pytest.mark.parametrize(
    ("shape", "smallest", "n_deepest", "expected"),
    [
        ((6, 48, 33), None, 1, (16, 48, 48)),
        ((16, 16, 16), None, 1, (16, 16, 16)),
        ((16, 16, 16), None, 2, (16, 16, 32)),
        ((6, 30, 16), None, 2, (16, 32, 16)),
        ((6, 20, 16), (32, 16, 48), 1, (32, 32, 48)),
    ],
)
def test_the_next_shape(
    shape: tuple[int, ...], smallest: Sequence[int] | None, n_deepest: int, expected: tuple[int, ...]
) -> None:
    assert fit_shape(shape, 16, smallest=smallest, n_deepest=n_deepest) == expected


class Picky(nn.Module):
    """Answers with the image itself, and remembers its shape."""

    seen: tuple[int, ...] = ()

    def forward(self, image: Tensor) -> Tensor:
        self.seen = tuple(image.shape[2:])
        assert float(image[..., 5:].abs().sum()) == 0  # zeros behind the last voxels
        return image


def test_what_is_padded_is_cropped_again() -> None:
    picky, image = Picky(), torch.randn(2, 3, 4, 6, 5)
    assert torch.equal(Padded(picky, 4)(image), image)
    assert picky.seen == (4, 8, 8)
