"""How long does one training iteration take?

Operations of convolutions, values that layers write (which rule where features are few), weights that the optimiser
renews, and voxels that batches are made of: each is counted from the layers and divided by a speed. Operations are
exact (a test holds them against torch's own counter). Speeds are measured by `autoseg probe`; for a CPU that nobody
probed, fitted ratios to its matrix product stand in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from autoseg.planning.devices import Speed
from autoseg.planning.layers import NetworkSketch, sum_layers

FLOPS_PER_MULTIPLY_ADD = 2
PASSES = 3  # forward, gradient of the input, gradient of the weights: each as costly as the forward pass

# Fitted on 2 cores. The shape of the law to bare iterations at 170 GFLOP/s: 3D channels-last, 4 stages, patch 40x56x40,
# batch 2, widths 8, 12, 16: 0.20, 0.405, 0.547 s; 2D contiguous, 7 stages, 256x256, batch 4, widths 8, 16, 32: 0.351,
# 0.966, 3.48 s. Its scale to whole trainings, with deep supervision, loss, averaging and batches made beside it, at 188
# GFLOP/s: Hippocampus in 3D, widths 8 and 12: 0.26, 0.49 s, which is 1.4 times the bare iteration.
WHOLE_OVER_BARE = 1.4
EFFICIENCY = {2: 0.76 / WHOLE_OVER_BARE, 3: 1.04 / WHOLE_OVER_BARE}  # of a matrix product's speed that is reached
FLOPS_PER_VALUE = {2: 116 * WHOLE_OVER_BARE, 3: 243 * WHOLE_OVER_BARE}  # for which a value is written and read
GIGA = 1e9


def assume_speeds(gflops: float) -> dict[str, Speed]:
    """Speeds of training on a CPU that reaches `gflops` in a float32 matrix product, by number of dimensions."""
    return {
        f"{n}d": Speed(gflops=gflops * EFFICIENCY[n], gvalues=gflops / FLOPS_PER_VALUE[n]) for n in sorted(EFFICIENCY)
    }


def count_forward_flops(sketch: NetworkSketch, patch_size: Sequence[int]) -> int:
    """Floating-point operations of convolutions in one forward pass of one sample."""
    return FLOPS_PER_MULTIPLY_ADD * sum_layers(sketch, tuple(patch_size)).n_multiply_adds


def count_iteration_flops(sketch: NetworkSketch, patch_size: Sequence[int], batch_size: int) -> int:
    """Floating-point operations of convolutions in one iteration, forward and backward.

    Three passes, but for the first convolution: the image needs no gradient, so that it has two.
    """
    kernel = sketch.topology.kernel_sizes[0]
    first = sketch.n_channels * sketch.features[0] * math.prod(kernel) * math.prod(patch_size)
    return batch_size * (PASSES * count_forward_flops(sketch, patch_size) - FLOPS_PER_MULTIPLY_ADD * first)


def count_iteration_values(sketch: NetworkSketch, patch_size: Sequence[int], batch_size: int) -> int:
    """Values that the layers of one iteration write, forward and backward; an estimate, not a count of instructions."""
    return PASSES * batch_size * sum_layers(sketch, tuple(patch_size)).n_written


def count_batch_voxels(sketch: NetworkSketch, patch_size: Sequence[int], batch_size: int) -> int:
    """Voxels of all channels of a batch, which somebody has to make."""
    return batch_size * sketch.n_channels * math.prod(patch_size)


def predict_iteration_s(
    sketch: NetworkSketch, patch_size: Sequence[int], batch_size: int, *, speeds: Mapping[str, Speed]
) -> float | None:
    """Seconds of one training iteration; None where the device's speed in so many dimensions is not known.

    Args:
        patch_size: voxels in axis order, two or three axes.
        speeds: by number of dimensions, `2d` and `3d`.
    """
    speed = speeds.get(f"{len(patch_size)}d")
    if speed is None:
        return None
    seconds = speed.overhead_s
    seconds += count_iteration_flops(sketch, patch_size, batch_size) / (speed.gflops * GIGA)
    seconds += count_iteration_values(sketch, patch_size, batch_size) / (speed.gvalues * GIGA)
    if speed.gparameters is not None:
        seconds += sum_layers(sketch, tuple(patch_size)).n_parameters / (speed.gparameters * GIGA)
    if speed.gvoxels is not None:
        seconds += count_batch_voxels(sketch, patch_size, batch_size) / (speed.gvoxels * GIGA)
    return seconds
