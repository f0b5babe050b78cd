"""MedNeXt has the published sizes, with kernels of 3 and of 5, and its blocks undo each other's strides."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from autoseg.networks.baselines.mednext import EXPANSIONS, Bottleneck, MedNeXt
from autoseg.planning.blueprint import NETWORK_VARIANTS
from autoseg.planning.choices import Topology
from autoseg.planning.rules.blocks import decide_blocks

FEATURES = (32, 64, 128, 256, 512)
PUBLISHED = {  # millions, by size and kernel: table of github.com/MIC-DKFZ/MedNeXt, as in the paper
    ("s", 3): 5.6,
    ("s", 5): 5.9,
    ("b", 3): 10.5,
    ("b", 5): 11.0,
    ("m", 3): 17.6,
    ("m", 5): 18.3,
    ("l", 3): 61.8,
    ("l", 5): 63.0,
}
HEAD_ON_BOTTLENECK = 512 * 3 + 3  # which other implementations have, whose loss weighs least


def make_network(size: str, kernel: int = 3) -> MedNeXt:
    topology = Topology(strides=((1, 1, 1), *[(2, 2, 2)] * 4), kernel_sizes=((kernel,) * 3,) * 5)
    blocks = decide_blocks(network=f"mednext@{size}", n_stages=5).value
    with torch.device("meta"):
        return MedNeXt(1, 3, topology=topology, features=FEATURES, blocks=blocks, size=size)


def count(network: nn.Module) -> int:
    return sum(weights.numel() for weights in network.parameters())


@pytest.mark.parametrize(("size", "kernel"), PUBLISHED)
def test_it_has_the_published_sizes(size: str, kernel: int) -> None:
    millions = count(make_network(size, kernel)) / 1e6
    assert PUBLISHED[size, kernel] in (
        round(millions, 1),
        math.floor(10 * millions) / 10,
    )  # S of 5 was cut, not rounded


@pytest.mark.parametrize("kernel", [3, 5])
def test_the_small_one_has_monais_weights(kernel: int) -> None:
    mednext = pytest.importorskip("monai.networks.nets.mednext", reason="pip install autoseg[monai]")
    with torch.device("meta"):
        reference = mednext.create_mednext(
            "S", in_channels=1, out_channels=3, kernel_size=kernel, deep_supervision=True
        )
    assert count(make_network("s", kernel)) + HEAD_ON_BOTTLENECK == count(reference)


def test_a_block_can_be_counted_on_paper() -> None:
    block = Bottleneck((6, 6), (1, 3, 3), (1, 1, 1), 4)
    assert count(block) == (9 * 6 + 6) + 2 * 6 + (6 * 24 + 24) + (24 * 6 + 6)


@pytest.mark.parametrize(("kernel", "strides"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 1, 3)), ((5, 5), (2, 2))])
def test_going_up_undoes_the_strides_of_going_down(kernel: tuple[int, ...], strides: tuple[int, ...]) -> None:
    x = torch.randn(1, 4, *[6 * stride for stride in strides])
    down = Bottleneck((4, 8), kernel, strides, 2)(x)
    assert down.shape == (1, 8, *[6] * len(strides))
    assert Bottleneck((8, 4), kernel, strides, 2, is_up=True)(down).shape == x.shape


def test_a_voxel_that_went_down_comes_up_where_it_was() -> None:
    up = Bottleneck((2, 1), (3, 3), (2, 2), 1, is_up=True)
    nn.init.zeros_(up.compress.weight)
    below = torch.zeros(1, 2, 4, 4)
    below[..., 2, 3] = 1.0
    lit = up(below) - up(torch.zeros_like(below))
    assert [tuple(place) for place in lit[0, 0].nonzero().tolist()] == [(4, 6)]


def test_sizes_are_those_that_plans_know() -> None:
    assert tuple(EXPANSIONS) == NETWORK_VARIANTS["mednext"]
