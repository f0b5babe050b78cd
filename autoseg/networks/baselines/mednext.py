"""A U-Net of ConvNeXt blocks.

Source: Roy et al., MICCAI 2023, arXiv 2303.09975: depthwise convolution, channel-wise group normalisation, expansion by
a kernel of 1, GELU, compression, all beside a skip; the same blocks, strided or transposed, go down and up; skips of
the U-Net are summed; deep supervision at each decoder stage. Published in 3D with 32 features doubling over five
stages, kernels of 3 (or 5, which a plan's topology may say), in four sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from autoseg.networks.baselines.layers import project
from autoseg.networks.blocks import CONVOLUTION, DROPOUT, TRANSPOSED_CONVOLUTION, normalize_instances
from autoseg.planning.choices import Blocks, Topology
from autoseg.planning.rules.blocks import repeat_last

EXPANSIONS: dict[str, tuple[int, ...]] = {"s": (2,), "b": (2, 3, 4), "m": (2, 3, 4), "l": (3, 4, 8)}
"""How many times wider a block is inside, per stage, the last one repeated; by size. Its blocks are the plan's."""


class MedNeXt(nn.Module):
    """Residual inverted bottlenecks on the way down and up, and one head per decoder stage.

    Args:
        n_channels, n_labels: channels of input and output.
        topology, features, blocks: as of a plan, finest stage first.
        size: of `EXPANSIONS`.
        deep_supervision: heads at every decoder stage, instead of at the finest alone.
        dropout: share of feature maps that training blanks after a depthwise convolution.

    In training with deep supervision `forward` returns a list of logits, finest first; otherwise the finest logits
    (batch, n_labels, *patch). Weights begin as PyTorch draws them, as published.
    """

    def __init__(
        self,
        n_channels: int,
        n_labels: int,
        *,
        topology: Topology,
        features: Sequence[int],
        blocks: Blocks,
        size: str = "s",
        deep_supervision: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        n_stages, kernels, n_dimensions = len(features), topology.kernel_sizes, len(topology.strides[0])
        expansions = repeat_last(EXPANSIONS[size], n_stages)

        def repeat(level: int, n: int) -> nn.Sequential:
            ones, wide = (1,) * n_dimensions, (features[level], features[level])
            return nn.Sequential(
                *(Bottleneck(wide, kernels[level], ones, expansions[level], dropout) for _ in range(n))
            )

        self.stem = project(n_channels, features[0], n_dimensions)
        self.encoder = nn.ModuleList([repeat(0, blocks.encoder[0])])
        self.decoder, self.ups, self.heads = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level in range(1, n_stages):
            wide, strides = features[level - 1 : level + 1], topology.strides[level]
            down = Bottleneck(wide, kernels[level], strides, expansions[level], dropout)
            self.encoder.append(nn.Sequential(down, *repeat(level, blocks.encoder[level])))
        for level in reversed(range(n_stages - 1)):
            wide, strides = (features[level + 1], features[level]), topology.strides[level + 1]
            self.ups.append(Bottleneck(wide, kernels[level], strides, expansions[level], dropout, is_up=True))
            self.decoder.append(repeat(level, blocks.decoder[level]))
            if level == 0 or deep_supervision:
                self.heads.append(project(features[level], n_labels, n_dimensions))
        if n_stages == 1:
            self.heads.append(project(features[0], n_labels, n_dimensions))
        self.deep_supervision = deep_supervision

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        x, maps = self.stem(image), []
        for stage in self.encoder:
            x = stage(x)
            maps.append(x)
        levels = [] if self.decoder else [x]
        for up, stage, skip in zip(self.ups, self.decoder, reversed(maps[:-1]), strict=True):
            x = stage(up(x) + skip)
            levels.append(x)
        if self.training and self.deep_supervision:
            return [head(level) for head, level in zip(reversed(self.heads), reversed(levels), strict=True)]
        return self.heads[-1](levels[-1])  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """Depthwise convolution, normalisation, expansion, GELU, compression; summed with its input.

    Where it changes the shape the input is convolved with a kernel of 1 and the same strides. A transposed one is
    padded at the end of each axis, so that voxels lie where its strided partner took them from.

    Args:
        features: before and after.
        kernel, strides: per axis.
        expansion: how many times wider it is inside than before.
        is_up: whether its strides enlarge.
    """

    def __init__(
        self,
        features: Sequence[int],
        kernel: Sequence[int],
        strides: Sequence[int],
        expansion: int,
        dropout: float = 0.0,
        *,
        is_up: bool = False,
    ) -> None:
        super().__init__()
        n_in, n_out = features
        n_dimensions = len(kernel)
        make = stretch if is_up else shrink
        keeps = all(stride == 1 for stride in strides) and n_in == n_out
        self.depthwise = make(n_in, n_in, kernel, strides, groups=n_in)
        self.dropout = DROPOUT[n_dimensions](dropout) if dropout > 0 else nn.Identity()
        self.norm = normalize_instances(n_in)
        self.expand = project(n_in, expansion * n_in, n_dimensions)
        self.activation = nn.GELU()
        self.compress = project(expansion * n_in, n_out, n_dimensions)
        self.skip = nn.Identity() if keeps else make(n_in, n_out, (1,) * n_dimensions, strides)

    def forward(self, x: Tensor) -> Tensor:
        inside = self.activation(self.expand(self.norm(self.dropout(self.depthwise(x)))))
        return self.compress(inside) + self.skip(x)  # type: ignore[no-any-return]


def shrink(n_in: int, n_out: int, kernel: Sequence[int], strides: Sequence[int], groups: int = 1) -> nn.Module:
    """A convolution that divides the shape by its strides."""
    padding = tuple(size // 2 for size in kernel)
    return CONVOLUTION[len(kernel)](n_in, n_out, tuple(kernel), tuple(strides), padding, groups=groups)


def stretch(n_in: int, n_out: int, kernel: Sequence[int], strides: Sequence[int], groups: int = 1) -> nn.Module:
    """A transposed convolution that multiplies the shape by its strides."""
    padding, rest = tuple(size // 2 for size in kernel), tuple(stride - 1 for stride in strides)
    transposed = TRANSPOSED_CONVOLUTION[len(kernel)]
    return transposed(n_in, n_out, tuple(kernel), tuple(strides), padding, rest, groups)
