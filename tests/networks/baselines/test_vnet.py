"""V-Net has MONAI's convolutions at MONAI's depths, and those of the paper at its own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from autoseg.networks.baselines.layers import Style
from autoseg.networks.baselines.vnet import Stage, VNet
from autoseg.planning.choices import Blocks, Topology
from autoseg.planning.rules.blocks import decide_blocks

FIVE = Topology(strides=((1, 1, 1), *[(2, 2, 2)] * 4), kernel_sizes=((3, 3, 3),) * 5)
FEATURES = (16, 32, 64, 128, 256)
AS_MONAI = Blocks(encoder=(1, 1, 2, 3, 2), decoder=(1, 1, 2, 2))


def make_vnet(blocks: Blocks) -> nn.Module:
    with torch.device("meta"):
        return VNet(1, 2, topology=FIVE, features=FEATURES, blocks=blocks, normalized=False)


def list_kernels(network: nn.Module) -> list[tuple[int, ...]]:
    named = network.named_parameters()
    return sorted(tuple(w.shape) for name, w in named if w.ndim == 5 and not name.startswith(("head", "out_tr")))


def test_it_convolves_as_monai_does() -> None:
    nets = pytest.importorskip("monai.networks.nets", reason="pip install autoseg[monai]")
    with torch.device("meta"):
        reference = nets.VNet(spatial_dims=3, in_channels=1, out_channels=2, act="prelu")
    assert list_kernels(make_vnet(AS_MONAI)) == list_kernels(reference)


def test_it_has_the_size_of_the_usual_implementation() -> None:
    assert sum(w.numel() for w in make_vnet(AS_MONAI).parameters()) == pytest.approx(45.6e6, abs=0.05e6)


def test_the_published_depths_can_be_counted_on_paper() -> None:
    """By the paper's stages: convolutions of 5x5x5, and those between stages, with bias and a slope per feature."""
    convolve = lambda n_in, n_out, size: size**3 * n_in * n_out + 2 * n_out  # noqa: E731
    left = [(16, 1), (32, 2), (64, 3), (128, 3), (256, 3)]
    right = [(256, 3), (128, 3), (64, 2), (32, 1)]
    count = convolve(1, 16, 5) + sum(n * convolve(f, f, 5) for f, n in left[1:] + right)
    count += sum(convolve(f // 2, f, 2) for f, _ in left[1:])
    count += sum(convolve(below, f // 2, 2) for below, (f, _) in zip((256, 256, 128, 64), right, strict=True))
    network = make_vnet(decide_blocks(network="vnet", n_stages=5).value)
    assert sum(w.numel() for w in network.parameters()) == count + 32 * 2 + 2


def test_a_stage_without_weights_passes_its_input_on() -> None:
    stage = Stage(2, 5, (1, 5, 5), Style(lambda n: nn.Identity()), 2)
    nn.init.zeros_(stage.convolutions[-1].weight)
    x = torch.randn(1, 2, 3, 6, 5)
    assert torch.equal(stage(x), x[:, [0, 1, 0, 1, 0]])
