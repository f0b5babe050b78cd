"""What do the published baselines share? Convolutions in their style, stacks of them, pooling encoders, heads.

A style says how a convolution goes on: the activation that a paper published, dropout where a plan asks for it, and
instance normalisation, which several papers lack or do over batches. Batches here hold few samples, and one recipe
trains every network, so all normalise alike and what is compared is the architecture. Tensors are (batch, channel,
*axes in axis order).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from autoseg.networks.blocks import DROPOUT, TRANSPOSED_CONVOLUTION, Layer, convolve, normalize_instances
from autoseg.planning.choices import Topology

MAX_POOLING: dict[int, Layer] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
LINEAR = {2: "bilinear", 3: "trilinear"}  # interpolation by number of dimensions


def rectify(n_features: int) -> nn.Module:
    """Rectified linear units, which need not know how many there are."""
    return nn.ReLU(inplace=True)


@dataclass(frozen=True)
class Style:
    """How every convolution of a network goes on.

    Attributes:
        activation: from a number of features to the layer that activates them.
        normalized: whether instance normalisation stands before it; without it a network is as large as published.
        dropout: share of feature maps that training blanks after a convolution.
    """

    activation: Callable[[int], nn.Module] = rectify
    normalized: bool = True
    dropout: float = 0.0

    def follow(self, convolution: nn.Module, n_features: int, n_dimensions: int) -> list[nn.Module]:
        """A convolution and what comes after it, but for the activation."""
        layers = [convolution]
        if self.dropout > 0:
            layers.append(DROPOUT[n_dimensions](self.dropout))
        if self.normalized:
            layers.append(normalize_instances(n_features))
        return layers


class Convolution(nn.Sequential):
    """A convolution in a style: dropout, normalisation, activation."""

    def __init__(
        self, n_in: int, n_out: int, kernel: Sequence[int], style: Style, strides: Sequence[int] | None = None
    ) -> None:
        convolution = convolve(n_in, n_out, kernel, strides or [1] * len(kernel))
        super().__init__(*style.follow(convolution, n_out, len(kernel)), style.activation(n_out))


class Stack(nn.Sequential):
    """`n` convolutions of one kernel in a row."""

    def __init__(self, n_in: int, n_out: int, kernel: Sequence[int], style: Style, n: int) -> None:
        super().__init__(*(Convolution(n_in if i == 0 else n_out, n_out, kernel, style) for i in range(n)))


class PoolingEncoder(nn.Module):
    """Stacks of convolutions with max pooling between them; `forward` returns every stage's maps, finest first."""

    def __init__(
        self, n_channels: int, features: Sequence[int], n_convolutions: Sequence[int], topology: Topology, style: Style
    ) -> None:
        super().__init__()
        self.pools, self.stages = nn.ModuleList(), nn.ModuleList()
        n_in = n_channels
        rows = zip(topology.strides, topology.kernel_sizes, features, n_convolutions, strict=True)
        for level, (strides, kernel, n_out, n) in enumerate(rows):
            self.pools.append(pool(strides) if level else nn.Identity())
            self.stages.append(Stack(n_in, n_out, kernel, style, n))
            n_in = n_out

    def forward(self, image: Tensor) -> list[Tensor]:
        maps, x = [], image
        for pooling, stage in zip(self.pools, self.stages, strict=True):
            x = stage(pooling(x))
            maps.append(x)
        return maps


def pool(strides: Sequence[int]) -> nn.Module:
    """Max pooling of windows as large as the strides."""
    return MAX_POOLING[len(strides)](tuple(strides), tuple(strides))


def grow(n_in: int, n_out: int, strides: Sequence[int]) -> nn.Module:
    """An up-convolution: transposed, its kernel as large as its strides."""
    return TRANSPOSED_CONVOLUTION[len(strides)](n_in, n_out, tuple(strides), tuple(strides))


def project(n_in: int, n_out: int, n_dimensions: int, *, bias: bool = True) -> nn.Module:
    """A convolution with a kernel of 1, as of a head."""
    ones = [1] * n_dimensions
    return convolve(n_in, n_out, ones, ones, bias=bias)


def interpolate(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Linear interpolation to another shape (*axes)."""
    return functional.interpolate(x, size=tuple(shape), mode=LINEAR[x.ndim - 2], align_corners=False)


def widen(kernel: Sequence[int], size: int) -> tuple[int, ...]:
    """A larger kernel along the axes that a topology convolves along; those of kernel 1 keep it."""
    return tuple(size if extent > 1 else 1 for extent in kernel)
