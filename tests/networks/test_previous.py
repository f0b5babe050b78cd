"""A previous segmentation as channels: the image's first, then one per foreground label."""

from __future__ import annotations

import torch

from autoseg.networks.previous import join_previous


def test_each_foreground_label_has_its_channel() -> None:
    image = torch.randn(2, 3, 4, 5, 6)
    previous = torch.randint(0, 4, (2, 4, 5, 6), dtype=torch.int16)
    joined = join_previous(image, previous, 4)
    assert joined.shape == (2, 3 + 3, 4, 5, 6)
    assert torch.equal(joined[:, :3], image)
    for label in (1, 2, 3):
        assert torch.equal(joined[:, 2 + label], (previous == label).float())


def test_slices_are_joined_like_volumes() -> None:
    joined = join_previous(torch.zeros(1, 1, 2, 2), torch.tensor([[[0, 1], [2, 1]]]), 3)
    assert joined[0, 1:].tolist() == [[[0, 1], [0, 1]], [[0, 0], [1, 0]]]
