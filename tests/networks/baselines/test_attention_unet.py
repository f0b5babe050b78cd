"""Attention U-Net has the weights of its authors' code, and its gates close."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from autoseg.networks.baselines.attention_unet import AttentionUNet, Gate
from autoseg.networks.baselines.layers import Style
from autoseg.planning.choices import Blocks, Topology

FIVE = Topology(strides=((1, 1, 1), *[(2, 2, 2)] * 4), kernel_sizes=((3, 3, 3),) * 5)
FEATURES = (16, 32, 64, 128, 256)
BLOCKS = Blocks(encoder=(2,) * 5, decoder=(2,) * 4)
N_LABELS = 4


def count_gate(f: int, below: int) -> int:
    """Theta without bias, phi, psi and the transform with its normalisation."""
    return 8 * f * f + (below * f + f) + (f + 1) + (f * f + f + 2 * f)


def test_it_has_the_weights_of_the_authors_code() -> None:
    """unet_CT_single_att_dsv_3D of github.com/ozan-oktay/Attention-Gated-Networks, one channel, feature scale 4.

    Theirs has one more convolution behind each gate, and one that merges the heads.
    """
    convolve = lambda n_in, n_out, size=3: size**3 * n_in * n_out + 3 * n_out  # noqa: E731  # bias and normalisation
    encoder = sum(convolve(a, b) + convolve(b, b) for a, b in itertools.pairwise((1, *FEATURES)))
    pairs = [*itertools.pairwise(FEATURES)]
    decoder = sum(convolve(f + below, f) + convolve(f, f) for f, below in pairs)
    gates = sum(count_gate(f, below) for f, below in pairs[1:]) + convolve(256, 256, 1)
    heads = sum(f * N_LABELS + N_LABELS for f in FEATURES[:-1])
    network = AttentionUNet(1, N_LABELS, topology=FIVE, features=FEATURES, blocks=BLOCKS)
    assert sum(weights.numel() for weights in network.parameters()) == encoder + decoder + gates + heads


def test_gates_stand_on_all_skips_but_the_finest() -> None:
    network = AttentionUNet(1, 2, topology=FIVE, features=(2,) * 5, blocks=BLOCKS)
    assert [isinstance(gate, Gate) for gate in network.gates] == [True, True, True, False]  # coarsest first


def make_gate(opening: float) -> Gate:
    gate = Gate(3, 5, (1, 2, 2), Style(normalized=False))
    nn.init.zeros_(gate.weigh.weight)
    nn.init.constant_(gate.weigh.bias, opening)
    nn.init.zeros_(gate.transform[0].bias)
    gate.transform[0].weight.data = torch.eye(3).view(3, 3, 1, 1, 1)
    return gate


def test_a_gate_is_open_or_closed_as_its_coefficient_says() -> None:
    skip, signal = torch.randn(1, 3, 4, 6, 8), torch.randn(1, 5, 4, 3, 4)
    assert torch.allclose(make_gate(30.0)(skip, signal), skip)
    assert torch.allclose(make_gate(0.0)(skip, signal), skip / 2)
    assert make_gate(-30.0)(skip, signal).abs().max() < 1e-6
