"""The first U-Net has the published weights where nothing is added."""

from __future__ import annotations

import itertools

from autoseg.networks.baselines.unet_2015 import UNet2015
from autoseg.planning.choices import Blocks, Topology

FIVE = Topology(strides=((1, 1), *[(2, 2)] * 4), kernel_sizes=((3, 3),) * 5)
FEATURES = (64, 128, 256, 512, 1024)
REFERENCE = 31_031_685  # trainable values of github.com/zhixuhao/unet, in Keras, 1 channel and 1 label


def count_body() -> int:
    """Weights and biases by the paper's figure 1, but for the head."""
    convolve = lambda n_in, n_out: 9 * n_in * n_out + n_out  # noqa: E731
    down = sum(convolve(a, b) + convolve(b, b) for a, b in itertools.pairwise((1, *FEATURES)))
    up = sum(4 * 2 * f * f + f + convolve(2 * f, f) + convolve(f, f) for f in FEATURES[:-1])
    return down + up


def test_it_has_the_published_weights() -> None:
    blocks = Blocks(encoder=(2,) * 5, decoder=(2,) * 4)
    network = UNet2015(1, 2, topology=FIVE, features=FEATURES, blocks=blocks, normalized=False)
    head, head_of_reference = 64 * 2 + 2, (9 * 64 * 2 + 2) + (2 * 1 + 1)  # it ends with 3x3 to 2, and 1x1 to 1
    assert sum(weights.numel() for weights in network.parameters()) == count_body() + head
    assert count_body() + head_of_reference == REFERENCE
