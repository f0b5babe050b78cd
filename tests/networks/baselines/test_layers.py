"""What the baselines share: a style that every convolution follows, and shapes."""

from __future__ import annotations

import torch
from torch import nn

from autoseg.networks.baselines.layers import PoolingEncoder, Stack, Style, grow, interpolate, widen
from autoseg.planning.choices import Topology

ANISOTROPIC = Topology(strides=((1, 1, 1), (1, 2, 2)), kernel_sizes=((1, 3, 3), (3, 3, 3)))


def test_a_style_says_what_follows_a_convolution() -> None:
    bare, full = Style(normalized=False), Style(nn.PReLU, dropout=0.2)
    names = lambda style: [type(layer).__name__ for layer in Stack(1, 2, (3, 3), style, 1)[0]]  # noqa: E731
    assert names(bare) == ["Conv2d", "ReLU"]
    assert names(full) == ["Conv2d", "Dropout2d", "InstanceNorm", "PReLU"]


def test_an_encoder_pools_between_its_stages() -> None:
    encoder = PoolingEncoder(1, (2, 4), (1, 3), ANISOTROPIC, Style())
    assert [tuple(maps.shape) for maps in encoder(torch.zeros(1, 1, 3, 4, 6))] == [(1, 2, 3, 4, 6), (1, 4, 3, 2, 3)]
    assert [len(stage) for stage in encoder.stages] == [1, 3]


def test_what_grows_and_what_is_interpolated_have_the_shape_above() -> None:
    below = torch.ones(1, 4, 3, 2, 3)
    assert grow(4, 2, (1, 2, 2))(below).shape == (1, 2, 3, 4, 6)
    assert torch.equal(interpolate(below, (3, 4, 6)), torch.ones(1, 4, 3, 4, 6))


def test_a_kernel_is_widened_where_it_looks_along() -> None:
    assert widen((1, 3, 3), 5) == (1, 5, 5)
