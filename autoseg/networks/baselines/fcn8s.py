"""A fully convolutional network whose scores of three depths are summed.

Source: Long, Shelhamer, Darrell, CVPR 2015, arXiv 1411.4038: VGG-16 (arXiv 1409.1556) with its fully connected layers
as convolutions of 7x7 and 1x1, a score layer on them and on pool4 and pool3, each sum upsampled by learned filters that
begin as bilinear interpolation, the last one, from stride 8, interpolated for good. The publication begins from weights
of ImageNet; here all weights are fresh.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoseg.networks.baselines.layers import Convolution, Stack, Style, interpolate, pool, project, widen
from autoseg.networks.blocks import TRANSPOSED_CONVOLUTION, initialize
from autoseg.planning.choices import Blocks, Topology

FULLY_CONNECTED = 7  # voxels that the first of VGG's fully connected layers sees
STRIDE_8 = 3  # the stage after so many poolings
N_SCORED = 3  # pool3, pool4 and the fully connected layers


class FCN8s(nn.Module):
    """A pooling encoder, its coarsest stage in place of the fully connected layers, and summed scores.

    Scores are summed from the coarsest stage up to the third pooling, or over the three coarsest depths where there are
    fewer; full resolution is scored only where nothing is pooled.

    Args:
        n_channels, n_labels: channels of input and output.
        topology, features: as of a plan, finest stage first; the last stage is that of the fully connected layers.
        blocks: convolutions of each encoder stage; there is no decoder to have any.
        normalized: instance normalisation after each convolution; without it, 3 channels, 21 labels and the published
            features it has the published weights, but for those of the fixed interpolation.
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
        n_stages, n_dimensions = len(features), len(topology.strides[0])
        self.pools = nn.ModuleList(pool(strides) for strides in topology.strides[1:])
        self.stages = nn.ModuleList()
        widths = [n_channels, *features]
        for level in range(n_stages - 1):
            n_in, n_out = widths[level : level + 2]
            self.stages.append(Stack(n_in, n_out, topology.kernel_sizes[level], style, blocks.encoder[level]))
        self.stages.append(FullyConnected(widths[-2], widths[-1], topology.kernel_sizes[-1], style, blocks.encoder[-1]))
        self.finest = min(STRIDE_8, max(n_stages - N_SCORED, 1), n_stages - 1)
        depths = [*features[self.finest - 1 : n_stages - 2], features[-1]] if n_stages > 1 else [features[0]]
        self.scores = nn.ModuleList(project(n_in, n_labels, n_dimensions) for n_in in depths)
        steps = topology.strides[self.finest + 1 :]
        self.ups = nn.ModuleList(upsample_scores(n_labels, strides) for strides in steps)
        initialize(self)
        self._begin_as_published()

    @torch.no_grad()
    def _begin_as_published(self) -> None:
        """Scores of zero, and upsampling that interpolates."""
        for score in self.scores:
            nn.init.zeros_(score.get_parameter("weight"))
        for up in self.ups:
            interpolate_at_first(up.get_parameter("weight"))

    def forward(self, image: Tensor) -> Tensor:
        x, pooled = self.stages[0](image), []
        for pooling, stage in zip(self.pools, self.stages[1:], strict=True):
            x = pooling(x)
            pooled.append(x)
            x = stage(x)
        score = self.scores[-1](x)
        skips = pooled[self.finest - 1 : -1] if pooled else []
        for up, layer, skip in reversed([*zip(self.ups, self.scores[:-1], skips, strict=True)]):
            score = up(score) + layer(skip)
        return interpolate(score, image.shape[2:])


class FullyConnected(nn.Sequential):
    """VGG's fully connected layers as convolutions: the first sees 7 voxels per axis, the others one."""

    def __init__(self, n_in: int, n_out: int, kernel: Sequence[int], style: Style, n: int) -> None:
        kernels = [widen(kernel, FULLY_CONNECTED), *[(1,) * len(kernel)] * (n - 1)]
        widths = [n_in, *[n_out] * n]
        pairs = zip(itertools.pairwise(widths), kernels, strict=True)
        super().__init__(*(Convolution(before, after, size, style) for (before, after), size in pairs))


def upsample_scores(n_labels: int, strides: Sequence[int]) -> nn.Module:
    """A transposed convolution that sees as many scores as linear interpolation by its strides."""
    kernel = tuple(2 * stride - stride % 2 for stride in strides)
    padding = tuple(stride // 2 for stride in strides)
    transposed = TRANSPOSED_CONVOLUTION[len(strides)]
    return transposed(n_labels, n_labels, kernel, tuple(strides), padding, bias=False)


def interpolate_at_first(weight: Tensor) -> None:
    """Fill the weights (K, K, *kernel) of a transposed convolution so that it interpolates each label linearly."""
    filter_ = torch.ones(())
    for size in weight.shape[2:]:
        reach = (size + 1) // 2
        centre = (size - 1) / 2
        line = 1 - (torch.arange(size) - centre).abs() / reach
        filter_ = filter_[..., None] * line
    weight.zero_()
    for label in range(weight.shape[0]):
        weight[label, label] = filter_
