"""Counted parameters are exact, and counted values are what autograd really keeps, in float32 and under autocast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from autoseg.networks.blocks import InstanceNorm
from autoseg.networks.unet import UNet
from autoseg.planning.choices import Blocks, Loss, Topology
from autoseg.planning.layers import NetworkSketch, sum_layers, sum_stages
from autoseg.planning.memory import count_kept_bytes, count_parameters
from autoseg.planning.peaks import Arithmetic, count_bytes_per_voxel
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.topology import derive_topology
from autoseg.training.losses import Target, compute_loss

FLOAT32, MIXED = Arithmetic(), Arithmetic("cuda", "bfloat16")
CASES = [
    (network, spacing_mm, patch_size)
    for network in ("unet", "residual_unet")
    for spacing_mm, patch_size in [
        ((1.0, 1.0), (48, 32)),
        ((1.0, 1.0, 1.0), (16, 24, 16)),
        ((4.0, 1.0, 0.9), (10, 48, 32)),
    ]
]


def make_sketch(
    network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...], *, n_channels: int = 2
) -> NetworkSketch:
    topology = derive_topology(spacing_mm, patch_size)
    features = tuple(min(6 * 2**stage, 20) for stage in range(topology.n_stages))  # a cap, so that channels stay equal
    blocks = decide_blocks(network=network, n_stages=len(features)).value
    return NetworkSketch(network, topology, features, blocks, n_channels, 3)


def make_single_stage(network: str) -> NetworkSketch:
    topology = Topology(strides=((1, 1, 1),), kernel_sizes=((1, 3, 3),))
    return NetworkSketch(network, topology, (6,), Blocks(encoder=(2,), decoder=()), 2, 3)


def build(sketch: NetworkSketch) -> UNet:
    words: dict[str, Any] = {"topology": sketch.topology, "features": sketch.features, "blocks": sketch.blocks}
    words |= {"residual": sketch.is_residual, "deep_supervision": sketch.deep_supervision}
    words |= {"dropout": sketch.dropout}
    return UNet(sketch.n_channels, sketch.n_labels, **words)


def measure_kept_bytes(compute: Callable[[], Any], *, without: nn.Module | None = None) -> int:
    """Bytes of the distinct storages that autograd keeps for a computation, parameters left out."""
    apart = set() if without is None else {each.untyped_storage().data_ptr() for each in without.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        held = compute()  # what autograd keeps lives as long as what was computed
    assert held is not None
    return sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in apart)


def normalize_as_on_cuda(self: InstanceNorm, x: torch.Tensor) -> torch.Tensor:
    return functional.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


@pytest.mark.parametrize(("network", "spacing_mm", "patch_size"), CASES)
def test_parameters_are_counted_exactly(
    network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...]
) -> None:
    sketch = make_sketch(network, spacing_mm, patch_size)
    assert count_parameters(sketch) == sum(parameter.numel() for parameter in build(sketch).parameters())


@pytest.mark.parametrize("n_channels", [1, 7])  # seven as a cascade has: image, and one per previous label
@pytest.mark.parametrize(("network", "spacing_mm", "patch_size"), CASES)
def test_activations_are_what_autograd_keeps(
    network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...], n_channels: int
) -> None:
    sketch = make_sketch(network, spacing_mm, patch_size, n_channels=n_channels)
    unet, image = build(sketch).train(), torch.zeros(2, n_channels, *patch_size)
    kept = measure_kept_bytes(lambda: unet(image), without=unet)
    assert count_kept_bytes(sketch, patch_size, 2, FLOAT32) == pytest.approx(kept, rel=0.01)


@pytest.mark.parametrize(("network", "spacing_mm", "patch_size"), CASES)
def test_dropout_keeps_a_factor_per_map_and_nothing_else(
    network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...]
) -> None:
    sketch = replace(make_sketch(network, spacing_mm, patch_size), dropout=0.3)
    unet, image = build(sketch).train(), torch.zeros(2, 2, *patch_size)
    whole = build(replace(sketch, dropout=0.0)).train()
    added = [measure_kept_bytes(lambda: each(image), without=each) for each in (whole, unet)]  # noqa: B023
    counted = [count_kept_bytes(replace(sketch, dropout=share), patch_size, 2, FLOAT32) for share in (0.0, 0.3)]
    assert counted[1] - counted[0] == added[1] - added[0] > 0
    assert counted[1] == pytest.approx(added[1], rel=0.01)


def pool_as_on_cuda(self: nn.AvgPool3d, x: torch.Tensor) -> torch.Tensor:
    """Something of the same shape in bfloat16, which a CPU cannot pool; the input is kept for other reasons anyway."""
    return x[(slice(None), slice(None), *(slice(None, None, step) for step in self.stride))].contiguous()


@pytest.mark.parametrize(("network", "spacing_mm", "patch_size"), CASES)
def test_autocast_keeps_what_its_lists_say(
    monkeypatch: pytest.MonkeyPatch, network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...]
) -> None:
    """CUDA's rules on a CPU, whose autocast widens pooling along three axes; CUDA's leaves it in bfloat16."""
    monkeypatch.setattr(InstanceNorm, "forward", normalize_as_on_cuda)
    monkeypatch.setattr(nn.AvgPool3d, "forward", pool_as_on_cuda)
    sketch = make_sketch(network, spacing_mm, patch_size)
    unet, image = build(sketch).train(), torch.zeros(2, 2, *patch_size)

    def compute() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return unet(image)

    kept = measure_kept_bytes(compute, without=unet)
    assert count_kept_bytes(sketch, patch_size, 2, MIXED) == pytest.approx(kept, rel=0.01)
    assert kept < 0.75 * measure_kept_bytes(lambda: unet(image), without=unet)


@pytest.mark.parametrize("n_labels", [2, 9])
def test_the_loss_keeps_two_softmaxes_targets_and_masks_per_level(n_labels: int) -> None:
    shapes = [(6, 16, 12), (6, 8, 6)]
    levels = [torch.zeros(2, n_labels, *shape, requires_grad=True) for shape in shapes]
    target = Target(torch.ones(2, *shapes[0], dtype=torch.int64))
    loss = Loss(terms={"cross_entropy": 1.0, "soft_dice": 1.0})
    kept = measure_kept_bytes(lambda: compute_loss(levels, target, loss, batch_dice=False))
    n_voxels = 2 * (6 * 16 * 12 + 6 * 8 * 6)
    assert count_bytes_per_voxel(n_labels) * n_voxels == pytest.approx(kept, rel=0.01)


@pytest.mark.parametrize(("network", "spacing_mm", "patch_size"), CASES)
@pytest.mark.parametrize("deep_supervision", [True, False])
def test_logits_are_counted_at_every_head(
    network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...], deep_supervision: bool
) -> None:
    sketch = replace(make_sketch(network, spacing_mm, patch_size), deep_supervision=deep_supervision)
    output = build(sketch).train()(torch.zeros(1, 2, *patch_size))
    assert sum_layers(sketch, patch_size).n_logits == sum(each.numel() for each in ([output], output)[deep_supervision])


@pytest.mark.parametrize("network", ["unet", "residual_unet"])
def test_a_network_of_one_stage_is_counted_too(network: str) -> None:
    sketch, patch_size = make_single_stage(network), (3, 6, 5)
    unet, image = build(sketch).train(), torch.zeros(1, 2, 3, 6, 5)
    kept = measure_kept_bytes(lambda: unet(image), without=unet)
    assert count_parameters(sketch) == sum(parameter.numel() for parameter in unet.parameters())
    assert count_kept_bytes(sketch, patch_size, 1, FLOAT32) == pytest.approx(kept, rel=0.02)


def test_stages_add_up_to_the_network() -> None:
    sketch, patch_size = make_sketch("residual_unet", (4.0, 1.0, 0.9), (10, 48, 32)), (10, 48, 32)
    stages = sum_stages(sketch, patch_size)
    assert len(stages) == sketch.topology.n_stages
    assert tuple(map(sum, zip(*stages, strict=True))) == sum_layers(sketch, patch_size)
