"""A U-Net keeps its shapes, its supervision and its published size, on anisotropic topologies."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from autoseg.networks.blocks import ResidualBlock, normalize_instances
from autoseg.networks.unet import UNet
from autoseg.planning.choices import Blocks, Topology

ANISOTROPIC = Topology(
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2), (1, 2, 1)), kernel_sizes=((1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
)
ISOTROPIC = Topology(strides=((1, 1, 1), *[(2, 2, 2)] * 3), kernel_sizes=((3, 3, 3),) * 4)


def make_unet(topology: Topology = ANISOTROPIC, *, residual: bool = False, width: int = 4) -> UNet:
    n = topology.n_stages
    encoder = (1, 3, 4, 6)[:n] if residual else (2,) * n
    blocks = Blocks(encoder=encoder, decoder=(1 if residual else 2,) * (n - 1))
    features = [width * 2**level for level in range(n)]
    return UNet(2, 3, topology=topology, features=features, blocks=blocks, residual=residual)


@pytest.mark.parametrize("residual", [False, True])
def test_logits_have_the_shape_of_the_patch(residual: bool) -> None:
    network = make_unet(residual=residual).eval()
    assert network(torch.zeros(1, 2, 6, 16, 24)).shape == (1, 3, 6, 16, 24)


@pytest.mark.parametrize("residual", [False, True])
def test_deep_supervision_runs_from_fine_to_coarse_without_the_coarsest(residual: bool) -> None:
    levels = make_unet(residual=residual).train()(torch.zeros(1, 2, 6, 16, 24))
    assert [tuple(level.shape[2:]) for level in levels] == [(6, 16, 24), (6, 8, 12)]


def test_every_parameter_learns() -> None:
    network = make_unet(residual=True).train()
    sum(level.square().mean() for level in network(torch.randn(2, 2, 6, 16, 24))).backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_unet_has_the_size_that_can_be_derived_on_paper() -> None:
    network = make_unet(ISOTROPIC, width=32)
    features = [2, 32, 64, 128, 256]
    conv = lambda n_in, n_out: 27 * n_in * n_out + n_out + 2 * n_out  # noqa: E731
    encoder = sum(conv(a, b) + conv(b, b) for a, b in itertools.pairwise(features))
    decoder = sum(8 * 2 * f * f + f + conv(2 * f, f) + conv(f, f) for f in (32, 64, 128))
    heads = sum(3 * f + 3 for f in (32, 64))
    assert sum(parameter.numel() for parameter in network.parameters()) == encoder + decoder + heads


def test_group_normalisation_is_instance_normalisation() -> None:
    x = torch.randn(2, 5, 4, 6, 8) * 3 + 1
    assert torch.allclose(normalize_instances(5)(x), nn.InstanceNorm3d(5)(x), atol=1e-5)


def test_a_residual_block_of_zeros_passes_its_input_on() -> None:
    block = ResidualBlock(3, 3, (1, 3, 3), (1, 1, 1))
    nn.init.zeros_(block.second[1].weight)
    x = torch.rand(1, 3, 2, 6, 4)
    assert torch.allclose(block(x), x)


@pytest.mark.parametrize("residual", [False, True])
def test_a_network_of_one_stage_has_one_head_on_it(residual: bool) -> None:
    network = make_unet(Topology(strides=((1, 1, 1),), kernel_sizes=((1, 3, 3),)), residual=residual)
    assert [tuple(level.shape) for level in network.train()(torch.zeros(1, 2, 3, 5, 7))] == [(1, 3, 3, 5, 7)]
    assert network.eval()(torch.zeros(1, 2, 3, 5, 7)).shape == (1, 3, 3, 5, 7)
    assert len(network.heads) == 1
