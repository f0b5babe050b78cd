"""A U-Net whose skips pass through gates that the decoder opens.

Source: Oktay et al., MIDL 2018, arXiv 1804.03999: an additive gate per skip but the finest; the skip, reduced by a
strided convolution, and the coarser stage of the decoder are summed, rectified and made one coefficient per voxel,
which is interpolated and scales the skip. Max pooling, linear upsampling, two convolutions per stage with ReLU and
batch normalisation, deep supervision; published in 3D with 16 features doubling over five stages.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from autoseg.networks.baselines.layers import Convolution, PoolingEncoder, Stack, Style, interpolate, project
from autoseg.networks.blocks import convolve, initialize
from autoseg.planning.choices import Blocks, Topology


class AttentionUNet(nn.Module):
    """A pooling encoder, a decoder with gated skips, and one head per decoder stage.

    A network of two stages has one skip, the finest, and no gate.

    Args:
        n_channels, n_labels: channels of input and output.
        topology, features, blocks: as of a plan, finest stage first.
        deep_supervision: heads at every decoder stage, instead of at the finest alone.
        normalized: instance normalisation after each convolution and gate.
        dropout: share of feature maps that training blanks after a convolution.

    In training with deep supervision `forward` returns a list of logits, finest first; otherwise the finest logits
    (batch, n_labels, *patch).
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
        n_stages, kernels, ones = len(features), topology.kernel_sizes, [1] * len(topology.strides[0])
        self.encoder = PoolingEncoder(n_channels, features, blocks.encoder, topology, style)
        self.gating = Convolution(features[-1], features[-1], ones, style) if n_stages > 2 else nn.Identity()
        self.decoder, self.gates, self.heads = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(n_stages - 1)):
            n_out, n_below = features[level : level + 2]
            strides = topology.strides[level + 1]
            self.gates.append(Gate(n_out, n_below, strides, style) if level else nn.Identity())
            self.decoder.append(Stack(n_out + n_below, n_out, kernels[level], style, blocks.decoder[level]))
            if level == 0 or deep_supervision:
                self.heads.append(project(n_out, n_labels, len(strides)))
        if n_stages == 1:
            self.heads.append(project(features[0], n_labels, len(ones)))
        self.deep_supervision = deep_supervision
        initialize(self)

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        *skips, x = self.encoder(image)
        levels = [] if skips else [x]
        signal = self.gating(x)
        for gate, stage, skip in zip(self.gates, self.decoder, reversed(skips), strict=True):
            gated = gate(skip, signal) if isinstance(gate, Gate) else skip
            x = signal = stage(torch.cat([gated, interpolate(x, skip.shape[2:])], dim=1))
            levels.append(x)
        if self.training and self.deep_supervision:
            return [head(level) for head, level in zip(reversed(self.heads), reversed(levels), strict=True)]
        return self.heads[-1](levels[-1])  # type: ignore[no-any-return]


class Gate(nn.Module):
    """Scales each voxel of a skip by a coefficient between 0 and 1.

    Args:
        n_skip, n_signal: features of the skip, and of the coarser stage that opens the gate.
        strides: between both.
    """

    def __init__(self, n_skip: int, n_signal: int, strides: Sequence[int], style: Style) -> None:
        super().__init__()
        n_dimensions = len(strides)
        self.reduce = convolve(n_skip, n_skip, strides, strides, bias=False)
        self.listen = project(n_signal, n_skip, n_dimensions)
        self.weigh = project(n_skip, 1, n_dimensions)
        transform = project(n_skip, n_skip, n_dimensions)
        self.transform = nn.Sequential(*style.follow(transform, n_skip, n_dimensions))

    def forward(self, skip: Tensor, signal: Tensor) -> Tensor:
        opened = torch.sigmoid(self.weigh(functional.relu(self.reduce(skip) + self.listen(signal))))
        return self.transform(skip * interpolate(opened, skip.shape[2:]))  # type: ignore[no-any-return]
