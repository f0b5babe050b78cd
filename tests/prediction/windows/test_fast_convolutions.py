"""Convolutions by name: the same values as torch's own choice, and untouched outside."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from autoseg.prediction.windows.fast_convolutions import FastConvolutions


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(2, 4, 3, padding=1),
        nn.Conv3d(2, 4, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False),
        nn.Conv3d(2, 4, 3, padding="same"),
        nn.Conv3d(2, 4, 3, padding=2, dilation=2, groups=2).double(),
    ],
)
def test_values_are_those_without_it(layer):
    image = torch.randn(1, 2, 5, 8, 6, generator=torch.Generator().manual_seed(0)).to(layer.weight.dtype)
    with torch.inference_mode():
        expected = layer(image)
        with FastConvolutions():
            torch.testing.assert_close(layer(image), expected, atol=1e-5, rtol=1e-5)


def test_it_ends_where_it_is_left():
    layer, image = nn.Conv3d(1, 1, 3), torch.randn(1, 1, 3, 3, 3, requires_grad=True)
    with FastConvolutions(), torch.inference_mode():
        layer(image.detach())
    layer(image).sum().backward()
    assert image.grad is not None
