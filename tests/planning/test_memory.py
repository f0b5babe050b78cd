"""The sums: what training and prediction hold per weight, per batch and per image, and what fits a budget."""

from __future__ import annotations

import math

import pytest
import torch

from autoseg.planning import blueprint
from autoseg.planning.choices import Optimizer
from autoseg.planning.footprint import LARGEST_HEAP_BLOCK, count_holes
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.memory import (
    BATCHES_IN_MEMORY,
    RESTORING_BYTES,
    RESTORING_BYTES_PER_LOGIT,
    WINDOW_VOXELS,
    count_moments,
    count_parameters,
    count_windows_per_batch,
    estimate_prediction_memory,
    estimate_training_memory,
    find_largest_batch,
)
from autoseg.planning.peaks import Arithmetic, peak_of_forward
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.topology import derive_topology
from autoseg.prediction.restoring import restore
from autoseg.prediction.windows import placing, sliding_window
from autoseg.training import beginning, job
from autoseg.training.optimizers import make_optimizer

ADAMW = Optimizer(name="adamw", learning_rate=1e-3, weight_decay=0.0, ema_decay=0.99)
SGD = Optimizer(name="sgd", learning_rate=1e-2, weight_decay=0.0)
FLAT = (10, 48, 32)


def make_sketch(network: str = "residual_unet", patch_size: tuple[int, ...] = FLAT, *, width: int = 6) -> NetworkSketch:
    topology = derive_topology((4.0, 1.0, 0.9)[-len(patch_size) :], patch_size)
    features = tuple(width * 2**stage for stage in range(topology.n_stages))
    blocks = decide_blocks(network=network, n_stages=len(features)).value
    return NetworkSketch(network, topology, features, blocks, 2, 3)


def test_the_optimizer_and_the_average_hold_copies_of_the_weights() -> None:
    lean, rich = (estimate_training_memory(make_sketch(), FLAT, 2, optimizer) for optimizer in (SGD, ADAMW))
    assert lean.optimizer == lean.weights == lean.gradients == 4 * count_parameters(make_sketch())
    assert (rich.optimizer, rich.average, lean.average) == (2 * rich.weights, rich.weights, 0)
    still = estimate_training_memory(make_sketch(), FLAT, 2, SGD.model_copy(update={"momentum": 0.0}))
    assert still.optimizer == 0


def test_the_parts_add_up_and_are_told_in_mb() -> None:
    memory = estimate_training_memory(make_sketch(), FLAT, 2, ADAMW)
    assert sum(memory.in_mb().values()) == pytest.approx(1e3 * memory.total_gb, abs=1)
    assert min(memory.in_mb().values()) >= 0
    assert {"activations_mb", "overhead_mb", "runtime_mb"} <= set(memory.in_mb())


def test_batches_wait_in_the_memory_of_a_cpu_but_not_of_a_gpu() -> None:
    voxels = math.prod(FLAT)
    on_cpu, on_gpu = (estimate_training_memory(make_sketch(), FLAT, 2, SGD, device=name) for name in ("cpu", "cuda"))
    assert on_gpu.batches == 2 * 2 * voxels  # labels; the image is what the first convolution keeps
    assert on_cpu.batches == 2 * voxels * (13 * (4 * 2 + 2) + 2)
    assert BATCHES_IN_MEMORY == beginning.N_BATCHES_AHEAD + job.N_VALIDATION_BATCHES + 2


@pytest.mark.parametrize("name", blueprint.OPTIMIZERS)
def test_every_optimizer_keeps_what_is_counted(name: str) -> None:
    settings = Optimizer(name=name, learning_rate=1e-3, weight_decay=0.0)
    layer = torch.nn.Linear(30, 20)
    optimizer = make_optimizer(layer, settings)
    layer(torch.ones(1, 30)).sum().backward()
    optimizer.step()
    kept = [each for state in optimizer.state.values() for each in state.values() if torch.is_tensor(each)]
    n_weights = sum(weight.numel() for weight in layer.parameters())
    assert sum(each.numel() for each in kept if each.ndim) == count_moments(settings) * n_weights


def test_float16_takes_what_bfloat16_does() -> None:
    words = {"device": "cuda"}
    halves = [
        estimate_training_memory(make_sketch(), FLAT, 4, SGD, **words, precision=f"{b}float16") for b in ("b", "")
    ]
    assert halves[0] == halves[1]


@pytest.mark.parametrize("network", ["unet", "residual_unet"])
def test_mixed_precision_keeps_half_of_the_maps_and_a_copy_of_the_weights(network: str) -> None:
    sketch = make_sketch(network)
    full, mixed = (
        estimate_training_memory(sketch, FLAT, 4, SGD, device="cuda", precision=precision)
        for precision in ("float32", "bfloat16")
    )
    assert mixed.activations == full.activations / 2 + 2 * count_parameters(sketch)
    assert mixed.weights == full.weights


def test_saving_can_be_the_busiest_moment_of_a_small_patch() -> None:
    """All channels-last weights of a CPU's network, average and optimiser are copied when a state is written."""
    memory = estimate_training_memory(make_sketch(width=32), (2, 8, 8), 1, ADAMW)
    held = memory.gradients + memory.activations + memory.loss + memory.temporaries
    assert held == pytest.approx(memory.gradients + 4 * memory.weights, rel=0.01)


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_more_never_costs_less(device: str) -> None:
    sketch = make_sketch()
    sizes = [estimate_training_memory(sketch, FLAT, batch, ADAMW, device=device).total_gb for batch in range(1, 500)]
    assert sizes == sorted(sizes)
    longer = [estimate_training_memory(sketch, (z, 48, 32), 60, ADAMW, device=device).total_gb for z in range(2, 40, 2)]
    assert longer == sorted(longer)


def test_the_heap_loses_on_small_blocks_only() -> None:
    largest = LARGEST_HEAP_BLOCK
    assert count_holes(6e7, 1e6, share=0.5) == 3e7
    assert count_holes(5 * largest, 1.25 * largest, share=0.5) == largest  # half of four blocks, less what is above
    assert count_holes(8 * largest, 2 * largest, share=0.5) == 0


@pytest.mark.parametrize("memory_gb", [0.8, 1.2, 3.7])
def test_the_largest_batch_fits_and_one_more_does_not(memory_gb: float) -> None:
    batch = find_largest_batch(make_sketch(), FLAT, ADAMW, memory_gb=memory_gb)
    assert estimate_training_memory(make_sketch(), FLAT, batch, ADAMW).total_gb <= memory_gb
    assert estimate_training_memory(make_sketch(), FLAT, batch + 1, ADAMW).total_gb > memory_gb


def test_no_batch_fits_into_less_than_the_runtime() -> None:
    assert find_largest_batch(make_sketch(), FLAT, SGD, memory_gb=0.1) == 0


@pytest.mark.parametrize(("patch", "grid"), [((10, 48, 32), (9, 100, 33)), ((1, 64, 48), (7, 64, 90))])
def test_windows_are_those_of_prediction(patch: tuple[int, ...], grid: tuple[int, ...]) -> None:
    padded = [max(size, n) for size, n in zip(grid, patch, strict=True)]
    starts = placing.compute_window_starts(padded, patch)
    assert count_windows_per_batch(patch, grid, "cuda") == math.prod(map(len, starts))
    for device in ("cpu", "cuda"):
        expected = sliding_window.choose_windows_per_batch(patch, torch.device(device))
        assert count_windows_per_batch(patch, (900, 900, 900), device) == expected


def test_prediction_is_reckoned_with_its_own_constants() -> None:
    assert WINDOW_VOXELS == sliding_window.VOXELS_PER_BATCH
    assert (RESTORING_BYTES, RESTORING_BYTES_PER_LOGIT) == (restore.SLAB_BYTES, restore.BYTES_PER_LOGIT)


def test_prediction_holds_all_networks_and_sums_over_the_padded_grid() -> None:
    sketch, grid = make_sketch(), (8, 120, 90)
    one, five = (estimate_prediction_memory(sketch, FLAT, grid, n_networks=n) for n in (1, 5))
    assert five.weights == 5 * one.weights == 5 * 4 * count_parameters(sketch)
    assert one.sums == 4 * (3 + 1) * (10 * 120 * 90)
    assert one.images == 4 * 2 * (3 * math.prod(grid) + 10 * 120 * 90)
    assert sum(one.in_mb().values()) == pytest.approx(1e3 * one.total_gb, abs=1)


def test_windows_are_live_maps_and_the_logits_that_wait() -> None:
    sketch, voxels = make_sketch(), math.prod(FLAT)
    one, five = (estimate_prediction_memory(sketch, FLAT, (10, 96, 32), n_networks=n) for n in (1, 5))
    maps = peak_of_forward(sketch, FLAT, Arithmetic())
    assert one.windows == maps + 4 * voxels * (2 * 2 + 2 * 3)  # images and their mirror images; last and summed logits
    assert five.windows == one.windows + 4 * voxels * 3 * 4


def test_a_gpu_holds_networks_windows_and_sums_but_no_images() -> None:
    sketch, grid = make_sketch(), (80, 120, 90)
    memory = estimate_prediction_memory(sketch, FLAT, grid, n_networks=5, device="cuda")
    assert (memory.images, memory.temporaries) == (0, 0)
    assert min(memory.weights, memory.windows, memory.sums) > 0


def test_restoring_many_labels_can_be_the_busiest_moment() -> None:
    sketch = make_sketch(patch_size=(48, 32))
    memory = estimate_prediction_memory(sketch, (48, 32), (200, 60, 60), n_networks=1)
    busiest = memory.windows + memory.sums + memory.images + memory.temporaries
    assert busiest >= 4 * (2 + 3) * 200 * 60 * 60 + 16 * 3 * 200 * 60 * 60
