"""The blocks compute what their papers say, whatever the way that is cheapest on a device."""

from __future__ import annotations

import torch
from torch.nn import functional

from autoseg.networks.blocks import NORM_EPSILON, normalize_instances


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
