"""Counted parameters are exact, and counted activations are what autograd really saves."""

from __future__ import annotations

import pytest
import torch

from autoseg.networks.unet import UNet
from autoseg.planning.layers import NetworkSketch, sum_layers
from autoseg.planning.memory import (
    count_parameters,
    estimate_training_memory,
    find_largest_batch,
)
from autoseg.planning.plan import Optimizer
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.topology import derive_topology

ADAMW = Optimizer(name="adamw", learning_rate=1e-3, weight_decay=0.0, ema_decay=0.99)
SGD = Optimizer(name="sgd", learning_rate=1e-2, weight_decay=0.0)
CASES = [
    (network, spacing_mm, patch_size)
    for network in ("unet", "residual_unet")
    for spacing_mm, patch_size in [
        ((1.0, 1.0), (48, 32)),
        ((1.0, 1.0, 1.0), (16, 24, 16)),
        ((4.0, 1.0, 0.9), (10, 48, 32)),
    ]
]


def make_sketch(network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...]) -> NetworkSketch:
    topology = derive_topology(spacing_mm, patch_size)
    features = tuple(min(6 * 2**stage, 20) for stage in range(topology.n_stages))  # a cap, so that channels stay equal
    return NetworkSketch(
        network, topology, features, decide_blocks(network=network, n_stages=len(features)).value, 2, 3
    )


def build(sketch: NetworkSketch) -> UNet:
    shape = {"topology": sketch.topology, "features": sketch.features, "blocks": sketch.blocks}
    return UNet(sketch.n_channels, sketch.n_labels, residual=sketch.is_residual, **shape)


def measure_saved_values(network: UNet, image: torch.Tensor) -> int:
    """Values of the distinct buffers that autograd keeps, weights excluded."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = network.train()(image)
    assert output
    return sum(tensor.untyped_storage().nbytes() // 4 for place, tensor in kept.items() if place not in weights)


@pytest.mark.parametrize(("network", "spacing_mm", "patch_size"), CASES)
def test_parameters_are_counted_exactly(
    network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...]
) -> None:
    sketch = make_sketch(network, spacing_mm, patch_size)
    assert count_parameters(sketch) == sum(parameter.numel() for parameter in build(sketch).parameters())


@pytest.mark.parametrize(("network", "spacing_mm", "patch_size"), CASES)
def test_activations_are_what_autograd_saves(
    network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...]
) -> None:
    sketch = make_sketch(network, spacing_mm, patch_size)
    saved = measure_saved_values(build(sketch), torch.zeros(2, sketch.n_channels, *patch_size))
    assert 2 * sum_layers(sketch, patch_size).n_saved == pytest.approx(saved, rel=0.02)


def test_the_optimizer_and_the_average_hold_copies_of_the_weights() -> None:
    sketch = make_sketch("unet", (1.0, 1.0), (48, 32))
    lean, rich = (estimate_training_memory(sketch, (48, 32), 2, optimizer) for optimizer in (SGD, ADAMW))
    assert lean.optimizer == lean.weights == 4 * count_parameters(sketch)
    assert (rich.optimizer, rich.average) == (2 * rich.weights, rich.weights)


@pytest.mark.parametrize("memory_gb", [0.8, 1.2, 3.7])
def test_the_largest_batch_fits_and_one_more_does_not(memory_gb: float) -> None:
    sketch, patch = make_sketch("residual_unet", (4.0, 1.0, 0.9), (10, 48, 32)), (10, 48, 32)
    batch = find_largest_batch(sketch, patch, ADAMW, memory_gb=memory_gb)
    assert estimate_training_memory(sketch, patch, batch, ADAMW).total_gb <= memory_gb
    assert estimate_training_memory(sketch, patch, batch + 1, ADAMW).total_gb > memory_gb


def test_no_batch_fits_into_less_than_the_runtime() -> None:
    assert find_largest_batch(make_sketch("unet", (1.0, 1.0), (48, 32)), (48, 32), SGD, memory_gb=0.1) == 0
