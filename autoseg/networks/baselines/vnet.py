"""A volumetric U-Net of residual stages with large kernels.

Source: Milletari, Navab, Ahmadi, 3DV 2016, arXiv 1606.04797: 1, 2, 3, 3, 3 convolutions of 5x5x5 per stage, whose sum
with the stage's input is activated; convolutions of 2x2x2 with stride 2 on the way down and transposed ones on the way
up, where stages are as wide as upsampled maps and skip together; PReLU. Published in 3D without normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoseg.networks.baselines.layers import Convolution, Style, grow, project, widen
from autoseg.networks.blocks import convolve, initialize
from autoseg.planning.choices import Blocks, Topology

KERNEL = 5  # voxels, along the axes that the topology convolves along


def rectify_as_learned(n_features: int) -> nn.Module:
    """PReLU: the slope below zero is learned for each feature (arXiv 1502.01852)."""
    return nn.PReLU(n_features)


class VNet(nn.Module):
    """Residual stages, strided convolutions between them, and a head at full resolution.

    Args:
        n_channels, n_labels: channels of input and output.
        topology, features, blocks: as of a plan, finest stage first; blocks are convolutions of a stage, and a stage
            of the decoder has twice the features of the encoder's.
        normalized: instance normalisation after each convolution.
        dropout: share of feature maps that training blanks after a convolution.

    `forward` maps (batch, n_channels, *patch) to logits (batch, n_labels, *patch).
    """

    def __init__(
        self,
        n_channels: int,
        n_labels: int,
        *,
        topology: Topology,
        features: Sequence[int],
        blocks: Blocks,
        normalized: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        style = Style(rectify_as_learned, normalized, dropout)
        kernels = [widen(kernel, KERNEL) for kernel in topology.kernel_sizes]
        self.encoder = nn.ModuleList()
        n_in = n_channels
        for level, n_out in enumerate(features):
            down = Down(n_in, n_out, topology.strides[level], style) if level else nn.Identity()
            stage = Stage(n_out if level else n_channels, n_out, kernels[level], style, blocks.encoder[level])
            self.encoder.append(nn.Sequential(down, stage))
            n_in = n_out
        self.ups, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(features) - 1)):
            n_out = features[level]
            self.ups.append(Up(n_in, n_out, topology.strides[level + 1], style))
            self.decoder.append(Stage(2 * n_out, 2 * n_out, kernels[level], style, blocks.decoder[level]))
            n_in = 2 * n_out
        self.head = project(n_in, n_labels, len(kernels[0]))
        initialize(self)

    def forward(self, image: Tensor) -> Tensor:
        x, maps = image, []
        for stage in self.encoder:
            x = stage(x)
            maps.append(x)
        for up, stage, skip in zip(self.ups, self.decoder, reversed(maps[:-1]), strict=True):
            x = stage(torch.cat([up(x), skip], dim=1))
        return self.head(x)  # type: ignore[no-any-return]


class Stage(nn.Module):
    """`n` convolutions whose sum with their input is activated; an image is repeated to as many channels."""

    def __init__(self, n_in: int, n_out: int, kernel: Sequence[int], style: Style, n: int) -> None:
        super().__init__()
        ones = [1] * len(kernel)
        before = [Convolution(n_in if i == 0 else n_out, n_out, kernel, style) for i in range(n - 1)]
        last = convolve(n_in if n == 1 else n_out, n_out, kernel, ones)
        self.convolutions = nn.Sequential(*before, *style.follow(last, n_out, len(kernel)))
        self.activation = style.activation(n_out)

    def forward(self, x: Tensor) -> Tensor:
        added = self.convolutions(x)
        n_in, n_out = x.shape[1], added.shape[1]
        if n_in != n_out:
            x = x.repeat(1, math.ceil(n_out / n_in), *[1] * (x.ndim - 2))[:, :n_out]
        return self.activation(added + x)  # type: ignore[no-any-return]


class Down(nn.Sequential):
    """A convolution whose kernel is as large as its strides."""

    def __init__(self, n_in: int, n_out: int, strides: Sequence[int], style: Style) -> None:
        super().__init__(Convolution(n_in, n_out, strides, style, strides))


class Up(nn.Sequential):
    """A transposed convolution whose kernel is as large as its strides."""

    def __init__(self, n_in: int, n_out: int, strides: Sequence[int], style: Style) -> None:
        up = grow(n_in, n_out, strides)
        super().__init__(*style.follow(up, n_out, len(strides)), style.activation(n_out))
