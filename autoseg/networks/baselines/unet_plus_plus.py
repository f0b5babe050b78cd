"""A U-Net whose skips are nested and dense.

Source: Zhou et al., DLMIA 2018, arXiv 1807.10165: between encoder and decoder stand further nodes, each of two
convolutions, which see all nodes before them at their depth and the one below, grown by an up-convolution; every node
of full resolution after the first has a head. Published in 2D with ReLU, 32 features doubling over five stages.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoseg.networks.baselines.layers import PoolingEncoder, Stack, Style, grow, project
from autoseg.networks.blocks import initialize
from autoseg.planning.choices import Blocks, Topology


class UNetPlusPlus(nn.Module):
    """A pooling encoder, nested nodes, and heads at full resolution.

    Args:
        n_channels, n_labels: channels of input and output.
        topology, features, blocks: as of a plan, finest stage first.
        deep_supervision: heads on all nodes of full resolution but the encoder's, instead of on the last alone.
        normalized: instance normalisation after each convolution; without it, 3 channels, 1 label and the published
            features it has the published weights.
        dropout: share of feature maps that training blanks after a convolution.

    In training with deep supervision `forward` returns a list of logits, those of the last node first, all of them
    (batch, n_labels, *patch); otherwise the last node's.
    """

    def __init__(
        self,
        n_channels: int,
        n_labels: int,
        *,
        topology: Topology,
        features: Sequence[int],
        blocks: Blocks,
        deep_supervision: bool = True,
        normalized: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        style = Style(normalized=normalized, dropout=dropout)
        self.encoder = PoolingEncoder(n_channels, features, blocks.encoder, topology, style)
        self.columns = nn.ModuleList()
        for n_before in range(1, len(features)):
            nodes = [
                Node(features[level : level + 2], n_before, topology.kernel_sizes[level], strides, style, n)
                for level, (strides, n) in enumerate(zip(topology.strides[1:], blocks.decoder, strict=True))
            ]
            self.columns.append(nn.ModuleList(nodes[: len(features) - n_before]))
        n_heads = max(len(self.columns), 1) if deep_supervision else 1
        n_dimensions = len(topology.strides[0])
        self.heads = nn.ModuleList(project(features[0], n_labels, n_dimensions) for _ in range(n_heads))
        self.deep_supervision = deep_supervision
        initialize(self)

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        rows = [[maps] for maps in self.encoder(image)]
        for column in self.columns:
            for level, node in enumerate(column.children()):
                rows[level].append(node(rows[level], rows[level + 1][-1]))
        finest = rows[0][1:] or rows[0]
        if self.training and self.deep_supervision:
            return [head(maps) for head, maps in zip(reversed(self.heads), reversed(finest), strict=True)]
        return self.heads[-1](finest[-1])  # type: ignore[no-any-return]


class Node(nn.Module):
    """Convolutions over all nodes before it at its depth, and the one below.

    Args:
        features: at its depth and below.
        n_before: nodes before it.
        strides: between its depth and the one below.
        n: convolutions.
    """

    def __init__(
        self,
        features: Sequence[int],
        n_before: int,
        kernel: Sequence[int],
        strides: Sequence[int],
        style: Style,
        n: int,
    ) -> None:
        super().__init__()
        n_out, n_below = features
        self.up = grow(n_below, n_out, strides)
        self.convolutions = Stack((n_before + 1) * n_out, n_out, kernel, style, n)

    def forward(self, before: Sequence[Tensor], below: Tensor) -> Tensor:
        return self.convolutions(torch.cat([*before, self.up(below)], dim=1))  # type: ignore[no-any-return]
