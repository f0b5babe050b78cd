"""How much memory do training and prediction hold?

Physical estimates in bytes. Of training: weights and what is kept per weight, what autograd keeps (`layers`), and the
busiest moment (`peaks`); tests hold both against the real networks, benchmarks/memory.py the sum against what processes
really held. Of prediction: weights, live feature maps of a batch of windows, sums over the whole grid, images.

Under CUDA's autocast (torch.amp, "CUDA ops that can autocast") convolutions run in bfloat16 or float16, and so do the
instance normalisations and activations behind them (networks/blocks.py): maps take half the bytes, weights a cast copy
more. What scales the loss of float16 is one number.
That follows the documented lists and was checked with a CPU's autocast under CUDA's rules, not measured on a GPU.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from autoseg.planning.choices import Optimizer
from autoseg.planning.devices import BYTES_PER_GB
from autoseg.planning.footprint import (
    GPU_HOLES,
    PREDICTION_HOLES,
    PREDICTION_RUNTIME_GB,
    TRAINING_HOLES,
    TRAINING_RUNTIME_GB,
    PredictionMemory,
    TrainingMemory,
    count_holes,
)
from autoseg.planning.layers import NetworkSketch, sum_layers, sum_stages
from autoseg.planning.peaks import (
    FLOAT32_BYTES,
    HALF_BYTES,
    Arithmetic,
    peak_of_backward,
    peak_of_forward,
    peak_of_loss,
)

LABEL_BYTES = 2  # int16, in batches and segmentations
OPTIMIZER_COPIES = {"sgd": 1, "adamw": 2, "lion": 1}  # values kept per weight: momentum; first and second moment
BATCHES_IN_MEMORY = 14  # training: made ahead (4), fixed for validation (8), the current one, one on its way
MOST_BATCH = 2**20
WINDOW_VOXELS = 2**20  # prediction.windows.sliding_window.VOXELS_PER_BATCH, where several windows are seen at once
RESTORING_BYTES = 2**28  # prediction.restoring.restore.SLAB_BYTES
RESTORING_BYTES_PER_LOGIT = 16  # prediction.restoring.restore.BYTES_PER_LOGIT


def count_parameters(sketch: NetworkSketch) -> int:
    """Learned values of a network; they do not depend on the patch."""
    return sum_layers(sketch, sketch.topology.divisor).n_parameters


def estimate_training_memory(
    sketch: NetworkSketch,
    patch_size: Sequence[int],
    batch_size: int,
    optimizer: Optimizer,
    *,
    device: str = "cpu",
    precision: str = "float32",
) -> TrainingMemory:
    """What training holds at its peak, as `training.loop` runs it, with cross-entropy and soft Dice.

    Args:
        patch_size: voxels per axis, in axis order; two for 2D.
        device: `cpu`, `cuda` or `mps`.
        precision: `float32`, or `bfloat16` or `float16` for CUDA's autocast.
    """
    patch, arithmetic = tuple(patch_size), Arithmetic(device, precision)
    kept = count_kept_bytes(sketch, patch, batch_size, arithmetic)
    loss = count_loss_bytes(sketch, patch, batch_size, arithmetic)
    logits = batch_size * arithmetic.map_bytes * sum_layers(sketch, patch).n_logits
    return add_up_training(
        TrainingParts(
            weights=FLOAT32_BYTES * count_parameters(sketch),
            activations=kept,
            logits=logits,
            loss=loss,
            batches=count_batch_bytes(sketch.n_channels, math.prod(patch), batch_size, arithmetic),
            at_backward=kept + logits + batch_size * peak_of_backward(sketch, patch, arithmetic),
            holes=_count_holes(sketch, patch, batch_size, loss) if device == "cpu" else 0.0,
        ),
        optimizer,
        len(patch),
        arithmetic,
    )


@dataclass(frozen=True)
class TrainingParts:
    """Bytes of a training that its network and patches decide, however they were counted.

    Attributes:
        weights: of the network, once.
        activations: what autograd keeps.
        logits, loss: the network's outputs; these, and what the loss holds at its busiest.
        batches: patches, made ahead and current.
        at_backward: all that is held at the busiest moment of the backward pass, weights aside.
        holes: what a CPU's heap loses on activations and loss.
    """

    weights: float
    activations: float
    logits: float
    loss: float
    batches: float
    at_backward: float
    holes: float


def add_up_training(
    parts: TrainingParts, optimizer: Optimizer, n_dimensions: int, arithmetic: Arithmetic
) -> TrainingMemory:
    """What training holds at its busiest moment: at the loss, in the backward pass, or when weights are updated."""
    weights, device = parts.weights, arithmetic.device
    moments = weights * count_moments(optimizer)
    average = weights if optimizer.ema_decay is not None else 0
    at_loss = weights + parts.activations + parts.loss  # the last iteration's gradients are still there
    at_update = weights + parts.logits + _count_update_bytes(weights, moments, average, n_dimensions, arithmetic)
    busiest = max(at_loss, parts.at_backward, at_update)
    on_gpu = GPU_HOLES * (weights + moments + average + parts.batches + busiest)
    return TrainingMemory(
        weights=weights,
        gradients=weights,
        optimizer=moments,
        average=average,
        activations=parts.activations,
        loss=parts.loss,
        batches=parts.batches,
        temporaries=busiest - at_loss,
        overhead=TRAINING_HOLES * weights + parts.holes if device == "cpu" else on_gpu,
        runtime=TRAINING_RUNTIME_GB[device] * BYTES_PER_GB,
    )


def count_moments(optimizer: Optimizer) -> int:
    """Values that an optimiser keeps per weight; an unknown one is taken to keep two."""
    if optimizer.name == "sgd" and optimizer.momentum == 0:
        return 0
    return OPTIMIZER_COPIES.get(optimizer.name, 2)


def count_kept_bytes(
    sketch: NetworkSketch, patch_size: tuple[int, ...], batch_size: int, arithmetic: Arithmetic
) -> int:
    """Bytes that autograd keeps of a network's forward pass, weights aside."""
    cost = sum_layers(sketch, patch_size)
    cast_weights = arithmetic.is_mixed * HALF_BYTES * cost.n_parameters
    return batch_size * arithmetic.map_bytes * (cost.n_kept + cost.n_apart) + cast_weights


def count_loss_bytes(
    sketch: NetworkSketch, patch_size: tuple[int, ...], batch_size: int, arithmetic: Arithmetic
) -> int:
    """Bytes of the logits, and of the loss at its busiest."""
    shapes = sketch.stage_shapes(patch_size)
    supervised = [shapes[stage] for stage in sketch.supervised_stages]
    logits = arithmetic.map_bytes * sum_layers(sketch, patch_size).n_logits
    return batch_size * (logits + peak_of_loss(sketch.n_labels, supervised, arithmetic))


def find_largest_batch(
    sketch: NetworkSketch,
    patch_size: Sequence[int],
    optimizer: Optimizer,
    *,
    memory_gb: float,
    device: str = "cpu",
    precision: str = "float32",
) -> int:
    """The largest batch whose training stays within a memory; 0 if not even one patch does."""

    def estimate_gb(batch_size: int) -> float:
        return estimate_training_memory(
            sketch, patch_size, batch_size, optimizer, device=device, precision=precision
        ).total_gb

    most = 1
    while most < MOST_BATCH and estimate_gb(most) <= memory_gb:
        most *= 2
    return bisect_right(range(1, most), memory_gb, lo=most // 2, key=estimate_gb)


def estimate_prediction_memory(
    sketch: NetworkSketch,
    patch_size: Sequence[int],
    grid_shape: Sequence[int],
    *,
    n_networks: int,
    device: str = "cpu",
) -> PredictionMemory:
    """What predicting one image holds at its peak, as `prediction` does it: windows at half-patch steps, mirrored.

    It computes in float32 on every device.

    Args:
        patch_size: voxels per axis, in axis order; two for 2D.
        grid_shape: voxels (three axes, in axis order) of the image on the network grid. The original image is taken to
            be as large.
        n_networks: folds that are averaged.
        device: as for training.
    """
    patch = (1,) * (3 - len(patch_size)) + tuple(patch_size)
    padded = math.prod(max(size, n) for size, n in zip(grid_shape, patch, strict=True))
    grid, channels, labels = math.prod(grid_shape), sketch.n_channels, sketch.n_labels
    weights = FLOAT32_BYTES * n_networks * count_parameters(sketch)
    n_windows = count_windows_per_batch(patch, grid_shape, device)
    maps = n_windows * peak_of_forward(sketch, tuple(patch_size), Arithmetic(device))
    windows = _count_window_bytes(sketch, n_windows * math.prod(patch), maps, n_networks)
    sums = FLOAT32_BYTES * (labels + 1) * padded
    is_shared = device != "cuda"  # one memory for networks and images
    images = is_shared * FLOAT32_BYTES * channels * (3 * grid + padded)
    busiest = max(windows + sums + images, is_shared * _count_beside_networks(weights, channels, labels, grid))
    return PredictionMemory(
        weights=weights,
        windows=windows,
        sums=sums,
        images=images,
        temporaries=busiest - (windows + sums + images),
        overhead=PREDICTION_HOLES * maps if device == "cpu" else GPU_HOLES * (weights + busiest),
        runtime=PREDICTION_RUNTIME_GB[device] * BYTES_PER_GB,
    )


def count_windows_per_batch(patch: Sequence[int], grid_shape: Sequence[int], device: str) -> int:
    """Windows that a network sees at once: on a CPU one; else as many as hold a fixed number of voxels, or all."""
    if device == "cpu":
        return 1
    steps = (max(math.ceil((size - n) / max(1.0, n / 2)), 0) for size, n in zip(grid_shape, patch, strict=True))
    return min(max(1, WINDOW_VOXELS // math.prod(patch)), math.prod(step + 1 for step in steps))


def _count_window_bytes(sketch: NetworkSketch, voxels: int, maps: int, n_networks: int) -> int:
    """A batch of windows and its mirror image; logits of the last pass, and the sums over mirrorings of each network.

    New logits, turned back and added come after the feature maps. Networks' logits are held apart to count where they
    agree.
    """
    inputs, logits = 2 * FLOAT32_BYTES * sketch.n_channels * voxels, FLOAT32_BYTES * sketch.n_labels * voxels
    return inputs + (1 + n_networks) * logits + max(maps, 3 * logits)


def _count_beside_networks(weights: float, channels: int, labels: int, grid: int) -> float:
    """Bytes of what comes before and after the windows: reading checkpoints, preprocessing, restoring; the largest."""
    preprocessing = FLOAT32_BYTES * grid * (3 * channels + 3)  # read, normalised, resampled; one channel at work
    block = min(RESTORING_BYTES, RESTORING_BYTES_PER_LOGIT * labels * grid)
    restoring = FLOAT32_BYTES * grid * (channels + labels) + block + 3 * LABEL_BYTES * grid
    return max(weights, preprocessing, restoring)


def _count_holes(sketch: NetworkSketch, patch_size: tuple[int, ...], batch_size: int, loss: float) -> float:
    """What the heap loses on activations and loss."""
    voxels = [batch_size * math.prod(shape) for shape in sketch.stage_shapes(patch_size)]
    total = count_holes(loss, FLOAT32_BYTES * sketch.n_labels * voxels[0])
    for layer, width, n in zip(sum_stages(sketch, patch_size), sketch.features, voxels, strict=True):
        block = FLOAT32_BYTES * width * n
        total += count_holes(FLOAT32_BYTES * batch_size * layer.n_kept, block)
        total += count_holes(FLOAT32_BYTES * batch_size * layer.n_apart, 2 * block)  # concatenations
    return total


def count_batch_bytes(n_channels: int, voxels: int, batch_size: int, arithmetic: Arithmetic) -> int:
    """Patches of image and labels; the image that the first convolution keeps is counted there, unless it is a copy."""
    image = FLOAT32_BYTES * n_channels * voxels
    if arithmetic.device == "cuda":
        return batch_size * (arithmetic.is_mixed * image + LABEL_BYTES * voxels)
    return batch_size * (BATCHES_IN_MEMORY - 1) * (image + LABEL_BYTES * voxels) + batch_size * LABEL_BYTES * voxels


def _count_update_bytes(
    weights: float, moments: float, average: float, n_dimensions: int, arithmetic: Arithmetic
) -> float:
    """After the backward pass a GPU updates all weights at once; a CPU saves channels-last weights through a copy."""
    if arithmetic.device == "cuda":
        return weights
    return weights + moments + average if n_dimensions == 3 else 0
