"""The blocks compute what their papers say, whatever the way that is cheapest on a device."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from autoseg.networks.blocks import NORM_EPSILON, ConvNormAct, ResidualBlock, normalize_instances


def test_both_ways_of_normalising_instances_are_the_same_function() -> None:
    """The way that is taken on CUDA is checked here on a CPU, where both run."""
    generator = torch.Generator().manual_seed(0)
    x = 3 + 2 * torch.randn(2, 5, 4, 6, 7, generator=generator)
    layer = normalize_instances(5)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(5, generator=generator))
        layer.bias.copy_(torch.randn(5, generator=generator))
        on_cuda = functional.instance_norm(x, weight=layer.weight, bias=layer.bias, eps=NORM_EPSILON)
        assert torch.allclose(layer(x), on_cuda, atol=1e-5)


def test_every_map_of_every_sample_has_mean_0_and_deviation_1() -> None:
    x = 5 + 3 * torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(1))
    normalized = normalize_instances(3)(x).detach()
    assert torch.allclose(normalized.mean((2, 3)), torch.zeros(2, 3), atol=1e-5)
    assert torch.allclose(normalized.std((2, 3), correction=0), torch.ones(2, 3), atol=1e-3)


@pytest.mark.parametrize("n_dimensions", [2, 3])
def test_dropout_blanks_whole_maps_between_convolution_and_normalisation(n_dimensions: int) -> None:
    kernel, strides = (1, 3, 3)[-n_dimensions:], (1,) * n_dimensions
    block = ConvNormAct(2, 64, kernel, strides, dropout=0.5).train()
    assert [type(layer).__name__ for layer in block] == [
        *(f"Conv{n_dimensions}d", f"Dropout{n_dimensions}d", "InstanceNorm", "LeakyReLU")
    ]
    maps = block(torch.randn(3, 2, *(4, 6, 5)[-n_dimensions:])).flatten(2)
    blank = (maps == 0).all(-1)
    assert ((maps == 0).any(-1) == blank).all()
    assert 0.3 < blank.float().mean() < 0.7
    assert not (block.eval()(torch.randn(3, 2, *(4, 6, 5)[-n_dimensions:])) == 0).any()


def test_names_of_weights_do_not_depend_on_dropout() -> None:
    kernel = strides = (1, 1, 1)
    whole, dropping = (ResidualBlock(3, 5, kernel, strides, dropout=share) for share in (0.0, 0.2))
    assert list(whole.state_dict()) == list(dropping.state_dict())
    assert sum(isinstance(module, nn.Dropout3d) for module in dropping.modules()) == 1


@pytest.mark.parametrize("shape", [(2, 4, 9, 40, 33), (1, 24, 5, 7, 6), (1, 3, 1, 512, 2)])
def test_prediction_normalises_exactly_in_channels_last_memory(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(2)
    x = (torch.randn(shape, generator=generator) * 1.3 + 40).to(memory_format=torch.channels_last_3d)
    layer = normalize_instances(shape[1])
    torch.nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator)
    torch.nn.init.uniform_(layer.bias, -1, 1, generator=generator)
    weight, bias = layer.weight.double(), layer.bias.double()
    expected = functional.instance_norm(x.double(), weight=weight, bias=bias, eps=NORM_EPSILON)
    with torch.inference_mode():
        assert float((layer(x) - expected).abs().max()) < 2e-5
