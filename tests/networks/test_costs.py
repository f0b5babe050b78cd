"""Counted costs are those that can be derived on paper, and those of the real network; counting touches nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from autoseg.errors import PlanError
from autoseg.networks.costs import measure_costs
from autoseg.networks.unet import UNet
from autoseg.planning.choices import Blocks, Topology
from autoseg.planning.layers import NetworkSketch, sum_layers
from autoseg.planning.memory import count_kept_bytes
from autoseg.planning.peaks import Arithmetic

PATCH = (6, 16, 24)
TOPOLOGY = Topology(
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2), (1, 2, 1)), kernel_sizes=((1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
)
BLOCKS = Blocks(encoder=(2, 2, 2, 2), decoder=(1, 2, 1))
FEATURES = (4, 6, 8, 8)


def make_unet(*, residual: bool = False, deep: bool = True) -> UNet:
    words: dict[str, Any] = {"topology": TOPOLOGY, "features": FEATURES, "blocks": BLOCKS}
    return UNet(2, 3, residual=residual, deep_supervision=deep, **words)


def make_sketch(*, residual: bool = False, deep: bool = True) -> NetworkSketch:
    name = "residual_unet" if residual else "unet"
    return NetworkSketch(name, TOPOLOGY, FEATURES, BLOCKS, 2, 3, deep_supervision=deep)


@pytest.mark.parametrize("residual", [False, True])
def test_a_unet_takes_twice_the_multiply_adds_that_planning_counts(residual: bool) -> None:
    costs = measure_costs(lambda: make_unet(residual=residual, deep=False), patch_size=PATCH, n_channels=2)
    planned = sum_layers(make_sketch(residual=residual, deep=False), PATCH)
    assert costs.flops_per_patch == 2 * planned.n_multiply_adds
    assert costs.n_parameters == planned.n_parameters
    assert costs.uncounted == ()


def test_prediction_does_without_the_coarser_heads() -> None:
    costs = measure_costs(make_unet, patch_size=PATCH, n_channels=2)
    coarse_head = FEATURES[1] * 3 * math.prod(PATCH) // 4
    assert costs.flops_per_patch == 2 * (sum_layers(make_sketch(), PATCH).n_multiply_adds - coarse_head)
    assert costs.output_shapes == ((3, *PATCH), (3, 6, 8, 12))


@pytest.mark.parametrize("residual", [False, True])
def test_a_unet_keeps_what_planning_counts(residual: bool) -> None:
    """Beside it statistics of instances alone, which planning leaves out: below one percent here."""
    costs = measure_costs(lambda: make_unet(residual=residual), patch_size=PATCH, n_channels=2)
    planned = count_kept_bytes(make_sketch(residual=residual), PATCH, 1, Arithmetic())
    assert planned <= costs.kept_bytes <= 1.01 * planned
    assert sum(costs.kept_blocks) == pytest.approx(costs.kept_bytes, abs=len(costs.kept_blocks))
    assert costs.peak_bytes > costs.kept_bytes


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Conv2d(4, 6, (3, 1), stride=2, padding=(1, 0), groups=2), (10, 8), 2 * 5 * 4 * 6 * 2 * 3),
        (nn.Conv3d(4, 5, 3), (4, 6, 8), 2 * (2 * 4 * 6) * 4 * 5 * 27),
        (nn.ConvTranspose3d(4, 5, (1, 2, 2), stride=(1, 2, 2)), (3, 4, 5), 2 * (3 * 4 * 5) * 4 * 5 * 4),
        (nn.Linear(7, 3), (5, 7), 2 * 4 * 5 * 7 * 3),
    ],
)
def test_layers_count_as_on_paper(layer: nn.Module, shape: tuple[int, ...], expected: int) -> None:
    costs = measure_costs(layer, patch_size=shape, n_channels=4)
    assert (costs.flops_per_patch, costs.uncounted) == (expected, ())


class Attention(nn.Module):
    """Two products of a map of (batch, head, token, feature) with itself."""

    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.scale
        if self.fused:
            return functional.scaled_dot_product_attention(x, x, x)
        return torch.softmax(x @ x.transpose(-1, -2), dim=-1) @ x


@pytest.mark.parametrize("fused", [False, True])
def test_attention_counts_both_of_its_products(fused: bool) -> None:
    n_heads, n_tokens, n_features = 3, 12, 8
    costs = measure_costs(Attention(fused=fused), patch_size=(n_tokens, n_features), n_channels=n_heads)
    assert costs.flops_per_patch == 2 * 2 * n_heads * n_tokens**2 * n_features
    assert costs.uncounted == ()


WAYS = ("c2r", "r2c", "c2c")  # the last in the backward pass


class Spectral(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return torch.fft.irfft(torch.fft.rfft(image * self.weight), n=image.shape[-1])

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))


def test_what_nobody_counts_is_named() -> None:
    uncounted = measure_costs(Spectral(), patch_size=(8, 8), n_channels=1).uncounted
    assert {"aten::_fft_c2r", "aten::_fft_r2c"} <= set(uncounted) <= {f"aten::_fft_{way}" for way in WAYS}


def test_a_network_and_torchs_generator_stay_as_they_were() -> None:
    network = make_unet().eval()
    before, drawn = {key: value.clone() for key, value in network.state_dict().items()}, torch.get_rng_state()
    live, built = (measure_costs(one, patch_size=PATCH, n_channels=2) for one in (network, make_unet))
    assert live == built
    assert torch.equal(torch.get_rng_state(), drawn)
    assert not network.training
    assert all(
        torch.equal(before[key], value) and value.device.type == "cpu" for key, value in network.state_dict().items()
    )
    assert all(weight.grad is None for weight in network.parameters())


class Asking(nn.Conv2d):
    """Asks for a value when it is built, as networks do that draw a depth."""

    def __init__(self) -> None:
        super().__init__(1, 2, 3)
        self.depth = float(torch.linspace(0, 1, 3)[1].item())


class Insisting(nn.Conv2d):
    """Has a weight with values wherever it is built."""

    def __init__(self) -> None:
        super().__init__(1, 2, 3)
        self.weight = nn.Parameter(torch.Tensor(2, 1, 3, 3))


@pytest.mark.parametrize("network", [Asking, Insisting])
def test_a_network_that_is_built_with_values_is_counted_too(network: type[nn.Module]) -> None:
    assert measure_costs(network, patch_size=(6, 5), n_channels=1).flops_per_patch == 2 * (4 * 3) * 2 * 9


class Deciding(nn.Conv2d):
    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) if bool(image.max() > 0) else image


def test_a_network_that_decides_by_values_is_refused_in_one_line() -> None:
    with pytest.raises(PlanError, match="costs cannot be counted without values: RuntimeError: ") as caught:
        measure_costs(Deciding(1, 1, 3), patch_size=(6, 5), n_channels=1)
    assert "\n" not in str(caught.value)


def test_a_batch_normalisation_of_pooled_features_is_no_obstacle() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    assert measure_costs(network, patch_size=(6, 5), n_channels=1).output_shapes == ((4, 1, 1),)
