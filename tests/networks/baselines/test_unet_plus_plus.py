"""U-Net++ has the published size, and a node sees all before it."""

from __future__ import annotations

import itertools

import pytest
import torch

from autoseg.networks.baselines.unet_plus_plus import UNetPlusPlus
from autoseg.planning.choices import Blocks, Topology

FIVE = Topology(strides=((1, 1), *[(2, 2)] * 4), kernel_sizes=((3, 3),) * 5)
FEATURES = (32, 64, 128, 256, 512)
BLOCKS = Blocks(encoder=(2,) * 5, decoder=(2,) * 4)
PUBLISHED = 9.04e6  # arXiv 1807.10165; for images of 3 channels and one label


def make_network() -> UNetPlusPlus:
    return UNetPlusPlus(3, 1, topology=FIVE, features=FEATURES, blocks=BLOCKS, normalized=False)


def test_it_has_the_published_size() -> None:
    convolve = lambda n_in, n_out: 9 * n_in * n_out + n_out  # noqa: E731
    encoder = sum(convolve(a, b) + convolve(b, b) for a, b in itertools.pairwise((3, *FEATURES)))
    nodes = [(FEATURES[i], FEATURES[i + 1], j) for i in range(4) for j in range(1, 5 - i)]
    dense = sum(4 * below * f + f + convolve((j + 1) * f, f) + convolve(f, f) for f, below, j in nodes)
    count = encoder + dense + 4 * (32 + 1)
    assert sum(weights.numel() for weights in make_network().parameters()) == count
    assert count == pytest.approx(PUBLISHED, abs=0.005e6)


def test_the_last_head_sees_every_node_and_the_first_only_two_stages() -> None:
    network = make_network().train()
    last, *_, first = network(torch.randn(1, 3, 16, 32))
    first.sum().backward(retain_graph=True)
    assert sum(weights.grad is not None for weights in network.encoder.stages.parameters()) == 2 * 4
    assert [any(w.grad is not None for w in column.parameters()) for column in network.columns] == [True, *[False] * 3]
    last.sum().backward()
    assert all(weights.grad is not None for weights in network.columns.parameters())
