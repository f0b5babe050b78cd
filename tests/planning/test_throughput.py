"""Counted operations are those of torch's own counter; predicted seconds are those that were measured."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from autoseg.networks.unet import UNet
from autoseg.planning.devices import Speed
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.memory import count_parameters
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.features import compute_features
from autoseg.planning.rules.topology import derive_topology
from autoseg.planning.throughput import (
    assume_speeds,
    count_forward_flops,
    count_iteration_flops,
    count_iteration_values,
    predict_iteration_s,
)

PATCHES = {
    "2D": ((1.0, 1.0), (48, 32)),
    "2D anisotropic": ((2.6, 1.0), (20, 64)),
    "3D": ((1.0, 1.0, 1.0), (16, 24, 16)),
    "3D anisotropic": ((4.0, 1.0, 0.9), (10, 48, 32)),
}


def make_sketch(
    network: str,
    patch_size: tuple[int, ...],
    spacing_mm: Sequence[float] | None = None,
    *,
    width: int = 4,
    n_channels: int = 2,
) -> NetworkSketch:
    topology = derive_topology(spacing_mm or [1.0] * len(patch_size), patch_size)
    n_stages = topology.n_stages
    features = compute_features(width=width, n_stages=n_stages, n_dimensions=len(patch_size))
    blocks = decide_blocks(network=network, n_stages=n_stages).value
    return NetworkSketch(network, topology, features, blocks, n_channels, 3)


@pytest.mark.parametrize("network", ["unet", "residual_unet"])
@pytest.mark.parametrize("place", PATCHES)
def test_operations_are_those_of_torchs_counter(network: str, place: str) -> None:
    """To the last one; the gradient of the image, which nobody asks for, is not among them."""
    spacing_mm, patch_size = PATCHES[place]
    sketch = make_sketch(network, patch_size, spacing_mm)
    shape = {"topology": sketch.topology, "features": sketch.features, "blocks": sketch.blocks}
    unet = UNet(2, 3, residual=sketch.is_residual, **shape)
    with FlopCounterMode(display=False) as forward:
        levels = unet(torch.zeros(2, 2, *patch_size))
    with FlopCounterMode(display=False) as backward:
        sum(level.sum() for level in levels).backward()
    assert 2 * count_forward_flops(sketch, patch_size) == forward.get_total_flops()
    total = forward.get_total_flops() + backward.get_total_flops()
    assert count_iteration_flops(sketch, patch_size, 2) == total


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
def test_without_a_probe_seconds_are_a_measured_bare_iteration_and_what_training_adds(
    patch_size: tuple[int, ...], batch_size: int, n_channels: int, width: int, seconds: float
) -> None:
    sketch = make_sketch("unet", patch_size, width=width, n_channels=n_channels)
    predicted = predict_iteration_s(sketch, patch_size, batch_size, speeds=assume_speeds(170))
    assert predicted == pytest.approx(1.4 * seconds, rel=0.1)


def test_every_part_of_an_iteration_has_its_own_speed() -> None:
    patch, batch = (10, 48, 32), 3
    sketch = make_sketch("residual_unet", patch, (4.0, 1.0, 1.0))
    flops, values = count_iteration_flops(sketch, patch, batch), count_iteration_values(sketch, patch, batch)
    speed = Speed(gflops=2, gvalues=3, gparameters=5, gvoxels=7, overhead_s=0.25)
    expected = flops / 2e9 + values / 3e9 + count_parameters(sketch) / 5e9 + 3 * 2 * 10 * 48 * 32 / 7e9 + 0.25
    assert predict_iteration_s(sketch, patch, batch, speeds={"3d": speed}) == pytest.approx(expected)


def test_an_unknown_speed_predicts_nothing() -> None:
    sketch = make_sketch("unet", (48, 32))
    assert predict_iteration_s(sketch, (48, 32), 2, speeds={"3d": Speed(gflops=100, gvalues=1)}) is None
    assert predict_iteration_s(sketch, (48, 32), 2, speeds={}) is None


def test_half_the_speed_takes_twice_as_long() -> None:
    sketch = make_sketch("unet", (10, 48, 32), width=8)
    fast, slow = (predict_iteration_s(sketch, (10, 48, 32), 2, speeds=assume_speeds(gflops)) for gflops in (100, 50))
    assert slow == pytest.approx(2 * fast)
