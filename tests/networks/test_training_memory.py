"""What is counted on a U-Net adds up to what planning forecasts for it."""

from __future__ import annotations

import pytest

from autoseg.networks.costs import measure_costs
from autoseg.networks.training_memory import forecast_training
from autoseg.networks.unet import UNet
from autoseg.planning.choices import Optimizer
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.memory import estimate_training_memory
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.topology import derive_topology

ADAMW = Optimizer(name="adamw", learning_rate=1e-3, weight_decay=0.0, ema_decay=0.99)
BOUND = 0.1  # of the forecast without the runtime: kernels' own buffers are planning's alone, the rest is the same


@pytest.mark.parametrize(
    ("patch_size", "batch_size", "device", "precision"),
    [
        ((256, 192), 12, "cpu", "float32"),
        ((20, 96, 96), 3, "cpu", "float32"),
        ((20, 192, 160), 2, "cuda", "bfloat16"),
    ],
)
@pytest.mark.parametrize("network", ["unet", "residual_unet"])
def test_counted_memory_is_the_planned_one_within_a_bound(
    network: str, patch_size: tuple[int, ...], batch_size: int, device: str, precision: str
) -> None:
    topology = derive_topology((3.0, 1.0, 0.9)[-len(patch_size) :], patch_size)
    features = tuple(min(16 * 2**stage, 320) for stage in range(topology.n_stages))
    blocks = decide_blocks(network=network, n_stages=len(features)).value
    words = {"topology": topology, "features": features, "blocks": blocks}
    costs = measure_costs(
        lambda: UNet(2, 3, **words, residual=network == "residual_unet"),
        patch_size=patch_size,
        n_channels=2,
        batch_size=batch_size,
    )
    where = {"device": device, "precision": precision}
    counted = forecast_training(costs, batch_size, ADAMW, patch_size=patch_size, n_channels=2, **where)
    sketch = NetworkSketch(network, topology, features, blocks, 2, 3)
    planned = estimate_training_memory(sketch, patch_size, batch_size, ADAMW, **where)
    assert (counted.weights, counted.optimizer, counted.average) == (
        planned.weights,
        planned.optimizer,
        planned.average,
    )
    assert (counted.batches, counted.loss, counted.runtime) == (planned.batches, planned.loss, planned.runtime)
    without = [memory.total_gb - memory.runtime / 1e9 for memory in (counted, planned)]
    assert without[0] == pytest.approx(without[1], rel=BOUND)
