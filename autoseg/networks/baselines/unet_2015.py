"""The first U-Net.

Source: Ronneberger, Fischer, Brox, MICCAI 2015, arXiv 1505.04597: two convolutions of 3x3 with ReLU per stage, max
pooling, up-convolutions that halve the channels, concatenated skips, 64 features doubling over five stages. Published
in 2D, without padding and without normalisation, in batches of one image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoseg.networks.baselines.layers import PoolingEncoder, Stack, Style, grow, project
from autoseg.networks.blocks import initialize
from autoseg.planning.choices import Blocks, Topology


class UNet2015(nn.Module):
    """Contracting path, expanding path, and a head at full resolution.

    Args:
        n_channels, n_labels: channels of input and output.
        topology, features, blocks: as of a plan, finest stage first.
        normalized: instance normalisation after each convolution; without it, 1 channel, 2 labels and the published
            features it has the published weights.
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
        style = Style(normalized=normalized, dropout=dropout)
        self.encoder = PoolingEncoder(n_channels, features, blocks.encoder, topology, style)
        self.ups, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(features) - 1)):
            n_out, kernel = features[level], topology.kernel_sizes[level]
            self.ups.append(grow(features[level + 1], n_out, topology.strides[level + 1]))
            self.decoder.append(Stack(2 * n_out, n_out, kernel, style, blocks.decoder[level]))
        self.head = project(features[0], n_labels, len(topology.strides[0]))
        initialize(self)

    def forward(self, image: Tensor) -> Tensor:
        *skips, x = self.encoder(image)
        for up, stage, skip in zip(self.ups, self.decoder, reversed(skips), strict=True):
            x = stage(torch.cat([skip, up(x)], dim=1))
        return self.head(x)  # type: ignore[no-any-return]
