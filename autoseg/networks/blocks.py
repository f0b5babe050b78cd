"""The convolution blocks that U-Nets are built of, for two and three dimensions.

Plain: convolution - dropout - instance normalisation - leaky ReLU, as in Isensee et al., Nature Methods 2021. Residual:
He et al., arXiv 1512.03385, in the form of nnU-Net Revisited, arXiv 2404.09556 (the skip pools and projects).
Dropout blanks whole feature maps (Tompson et al., arXiv 1411.4280); where there is none, there is no layer for it, and
names of weights are the same with and without. Tensors are (batch, channel, *axes in axis order).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

NEGATIVE_SLOPE = 0.01
NORM_EPSILON = 1e-5
ROWS_PER_BLOCK = 512  # voxels that are summed in float32

Layer = Callable[..., nn.Module]

CONVOLUTION: dict[int, Layer] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED_CONVOLUTION: dict[int, Layer] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
AVERAGE_POOLING: dict[int, Layer] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
DROPOUT: dict[int, Layer] = {2: nn.Dropout2d, 3: nn.Dropout3d}


def convolve(n_in: int, n_out: int, kernel: Sequence[int], strides: Sequence[int], *, bias: bool = True) -> nn.Module:
    """A convolution that keeps the shape but for its strides."""
    padding = tuple((size - 1) // 2 for size in kernel)
    return CONVOLUTION[len(kernel)](n_in, n_out, tuple(kernel), tuple(strides), padding, bias=bias)


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation with learned scale and shift, computed as it costs least on a device.

    Group normalisation with one channel per group is the same function. On a CPU PyTorch runs that in channels-last
    memory without copies, which saves a tenth to a third of an iteration (benchmarks/LOG.md), but sums there so plainly
    that the result is off by 5e-4, and by a tenth where a mean is 30 times its deviation: training bears it, prediction
    sums block by block. On CUDA autocast would widen it to float32, and twice the memory; instance normalisation it
    leaves in bfloat16.
    """

    def __init__(self, n_features: int) -> None:
        super().__init__(n_features, n_features, eps=NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cuda":
            return functional.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)
        if torch.is_grad_enabled() or x.is_contiguous():
            return super().forward(x)
        return normalize_by_blocks(x, self.weight, self.bias, self.eps)


def normalize_by_blocks(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """Instance normalisation of channels-last memory, its sums taken over blocks of voxels and these in float64.

    Args:
        x: (B, C, *axes), float32.
        weight, bias: (C,).
    """
    n_samples, n_features = x.shape[:2]
    rows = x.movedim(1, -1).reshape(n_samples, -1, n_features)
    n_whole = rows.shape[1] // ROWS_PER_BLOCK * ROWS_PER_BLOCK
    blocks = rows[:, :n_whole].reshape(n_samples, -1, ROWS_PER_BLOCK, n_features)
    rest = rows[:, n_whole:]
    ones = x.new_ones(1, ROWS_PER_BLOCK)
    mean = ((ones @ blocks).double().sum((1, 2)) + rest.double().sum(1)) / rows.shape[1]
    centre = mean.float()
    squares = (ones @ (blocks - centre[:, None, None]).square_()).double().sum((1, 2))
    squares += (rest - centre[:, None]).double().square().sum(1)
    scale = weight * torch.rsqrt(squares / rows.shape[1] + epsilon).float()
    shape = (n_samples, n_features, *[1] * (x.ndim - 2))
    return torch.addcmul((bias - centre * scale).view(shape), x, scale.view(shape))


def normalize_instances(n_features: int) -> nn.Module:
    """Instance normalisation of a layer's features."""
    return InstanceNorm(n_features)


def activate() -> nn.Module:
    """Leaky ReLU with the published slope."""
    return nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)


class ConvNormAct(nn.Sequential):
    """Convolution, dropout of whole feature maps if there is any, instance normalisation, leaky ReLU."""

    def __init__(
        self, n_in: int, n_out: int, kernel: Sequence[int], strides: Sequence[int], dropout: float = 0.0
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict({"0": convolve(n_in, n_out, kernel, strides)})
        if dropout > 0:
            layers["dropout"] = DROPOUT[len(kernel)](dropout)
        super().__init__(OrderedDict({**layers, "1": normalize_instances(n_out), "2": activate()}))


class PlainStage(nn.Sequential):
    """`n_blocks` ConvNormAct, the first of which downsamples."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: Sequence[int],
        strides: Sequence[int],
        n_blocks: int,
        dropout: float = 0.0,
    ) -> None:
        ones = [1] * len(kernel)
        first = ConvNormAct(n_in, n_out, kernel, strides, dropout)
        super().__init__(first, *(ConvNormAct(n_out, n_out, kernel, ones, dropout) for _ in range(n_blocks - 1)))


class ResidualBlock(nn.Module):
    """Two convolutions beside a skip; the skip pools where the block downsamples and projects where channels change.

    Dropout follows the first convolution alone: what the block adds to its skip is whole.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel: Sequence[int], strides: Sequence[int], dropout: float = 0.0
    ) -> None:
        super().__init__()
        ones = [1] * len(kernel)
        self.first = ConvNormAct(n_in, n_out, kernel, strides, dropout)
        self.second = nn.Sequential(convolve(n_out, n_out, kernel, ones), normalize_instances(n_out))
        skip: list[nn.Module] = []
        if any(stride != 1 for stride in strides):
            skip.append(AVERAGE_POOLING[len(strides)](tuple(strides), tuple(strides)))
        if n_in != n_out:
            skip += [convolve(n_in, n_out, ones, ones, bias=False), normalize_instances(n_out)]
        self.skip = nn.Sequential(*skip)
        self.activation = activate()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.second(self.first(x)) + self.skip(x))  # type: ignore[no-any-return]


class ResidualStage(nn.Sequential):
    """`n_blocks` residual blocks, the first of which downsamples."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: Sequence[int],
        strides: Sequence[int],
        n_blocks: int,
        dropout: float = 0.0,
    ) -> None:
        ones = [1] * len(kernel)
        first = ResidualBlock(n_in, n_out, kernel, strides, dropout)
        super().__init__(first, *(ResidualBlock(n_out, n_out, kernel, ones, dropout) for _ in range(n_blocks - 1)))


class UpStage(nn.Module):
    """One step up the decoder: transposed convolution, concatenation with the encoder's skip, plain convolutions."""

    def __init__(
        self,
        n_below: int,
        n_out: int,
        kernel: Sequence[int],
        strides: Sequence[int],
        n_blocks: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        transposed = TRANSPOSED_CONVOLUTION[len(strides)]
        self.up = transposed(n_below, n_out, tuple(strides), tuple(strides))
        self.convolutions = PlainStage(2 * n_out, n_out, kernel, [1] * len(kernel), n_blocks, dropout)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        return self.convolutions(torch.cat([self.up(below), skip], dim=1))  # type: ignore[no-any-return]


@torch.no_grad()
def initialize(network: nn.Module) -> None:
    """Kaiming-normal weights for leaky ReLU, zero biases (arXiv 1502.01852). Draws from torch's generator."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight, a=NEGATIVE_SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
