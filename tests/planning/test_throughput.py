"""Counted operations are those of torch's own counter; predicted seconds are those that were measured."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from autoseg.networks.unet import UNet
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.features import compute_features
from autoseg.planning.rules.topology import derive_topology
from autoseg.planning.throughput import count_forward_flops, count_iteration_flops, predict_iteration_s


def make_sketch(network: str, patch_size: tuple[int, ...], *, width: int, n_channels: int = 2) -> NetworkSketch:
    topology = derive_topology(
        (4.0, 1.0, 1.0)[-len(patch_size) :] if patch_size[0] == 10 else [1.0] * len(patch_size), patch_size
    )
    n_stages = topology.n_stages
    features = compute_features(width=width, n_stages=n_stages, n_dimensions=len(patch_size))
    blocks = decide_blocks(network=network, n_stages=n_stages).value
    return NetworkSketch(network, topology, features, blocks, n_channels, 3)


@pytest.mark.parametrize("network", ["unet", "residual_unet"])
@pytest.mark.parametrize("patch_size", [(48, 32), (10, 48, 32)])
def test_operations_are_those_of_torchs_counter(network: str, patch_size: tuple[int, ...]) -> None:
    sketch = make_sketch(network, patch_size, width=4)
    shape = {"topology": sketch.topology, "features": sketch.features, "blocks": sketch.blocks}
    unet = UNet(2, 3, residual=sketch.is_residual, **shape)
    with FlopCounterMode(display=False) as forward:
        levels = unet(torch.zeros(2, 2, *patch_size))
    with FlopCounterMode(display=False) as backward:
        sum(level.sum() for level in levels).backward()
    assert forward.get_total_flops() == 2 * count_forward_flops(sketch, patch_size)
    total = forward.get_total_flops() + backward.get_total_flops()
    assert count_iteration_flops(sketch, patch_size, 2) == pytest.approx(total, rel=0.06)  # the image needs no gradient


@pytest.mark.parametrize(
    ("patch_size", "batch_size", "n_channels", "width", "seconds"),
    [
        ((40, 56, 40), 2, 1, 8, 0.200),
        ((40, 56, 40), 2, 1, 12, 0.405),
        ((40, 56, 40), 2, 1, 16, 0.547),
        ((256, 256), 4, 3, 8, 0.351),
        ((256, 256), 4, 3, 16, 0.966),
        ((256, 256), 4, 3, 32, 3.48),
    ],
)
def test_predicted_seconds_are_a_measured_bare_iteration_and_what_training_adds(
    patch_size: tuple[int, ...], batch_size: int, n_channels: int, width: int, seconds: float
) -> None:
    sketch = make_sketch("unet", patch_size, width=width, n_channels=n_channels)
    assert predict_iteration_s(sketch, patch_size, batch_size, gflops=170) == pytest.approx(1.4 * seconds, rel=0.1)


def test_half_the_speed_takes_twice_as_long() -> None:
    sketch = make_sketch("unet", (10, 48, 32), width=8)
    fast, slow = (predict_iteration_s(sketch, (10, 48, 32), 2, gflops=gflops) for gflops in (100, 50))
    assert slow == pytest.approx(2 * fast)
