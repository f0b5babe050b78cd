"""FCN-8s has the weights of VGG-16 and its scores, and begins as interpolation."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from autoseg.networks.baselines.fcn8s import FCN8s, interpolate_at_first, upsample_scores
from autoseg.planning.choices import Topology
from autoseg.planning.rules.blocks import decide_blocks

VGG_16 = 138_357_544  # as torchvision states of its own
LABELS = 21  # of PASCAL VOC, background included
PUBLISHED = 134e6  # FCN with VGG-16, arXiv 1411.4038


def make_topology(n_stages: int) -> Topology:
    return Topology(strides=((1, 1), *[(2, 2)] * (n_stages - 1)), kernel_sizes=((3, 3),) * n_stages)


def test_it_has_the_published_weights() -> None:
    features = (64, 128, 256, 512, 512, 4096)
    blocks = decide_blocks(network="fcn8s", n_stages=6).value
    with torch.device("meta"):
        network = FCN8s(3, LABELS, topology=make_topology(6), features=features, blocks=blocks, normalized=False)
    without_classes = VGG_16 - (4096 * 1000 + 1000)
    scores = sum(n * LABELS + LABELS for n in (256, 512, 4096))
    upsampling = 2 * 4**2 * LABELS**2
    count = sum(weights.numel() for weights in network.parameters())
    assert count == without_classes + scores + upsampling
    assert count == pytest.approx(PUBLISHED, abs=0.5e6)


@pytest.mark.parametrize(("n_stages", "finest", "n_scores"), [(8, 3, 5), (6, 3, 3), (4, 1, 3), (3, 1, 2), (2, 1, 1)])
def test_the_deepest_scores_are_summed_up_to_stride_8(n_stages: int, finest: int, n_scores: int) -> None:
    blocks = decide_blocks(network="fcn8s", n_stages=n_stages).value
    network = FCN8s(1, 2, topology=make_topology(n_stages), features=(2,) * n_stages, blocks=blocks)
    assert (network.finest, len(network.scores), len(network.ups)) == (finest, n_scores, n_scores - 1)


@pytest.mark.parametrize("strides", [(2, 2), (1, 2, 2), (2, 1, 2)])
def test_scores_are_interpolated_at_first(strides: tuple[int, ...]) -> None:
    up, scores = upsample_scores(2, strides), torch.randn(1, 2, *[6] * len(strides))
    with torch.no_grad():
        interpolate_at_first(up.get_parameter("weight"))
        grown = up(scores)
    mode = {2: "bilinear", 3: "trilinear"}[len(strides)]
    expected = functional.interpolate(scores, scale_factor=strides, mode=mode, align_corners=False)
    inside = (..., *(slice(stride, -stride) for stride in strides))  # borders: zeros here, repeated voxels there
    assert torch.allclose(grown[inside], expected[inside], atol=1e-6)
