"""How long does one training iteration take?

Two terms: multiply-adds, and values that pass through memory, which rule where features are few. Floating-point
operations are exact (a test holds them against torch's own counter); the two efficiencies are fitted to measurements.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def count_forward_flops(sketch: NetworkSketch, patch_size: Sequence[int]) -> int:
    """Floating-point operations of convolutions in one forward pass of one sample."""
    return FLOPS_PER_MULTIPLY_ADD * sum_layers(sketch, tuple(patch_size)).n_multiply_adds


def count_iteration_flops(sketch: NetworkSketch, patch_size: Sequence[int], batch_size: int) -> int:
    """Floating-point operations of convolutions in one iteration: forward and backward."""
    return PASSES * batch_size * count_forward_flops(sketch, patch_size)


def count_iteration_values(sketch: NetworkSketch, patch_size: Sequence[int], batch_size: int) -> int:
    """Values that the layers of one iteration write, forward and backward."""
    return PASSES * batch_size * sum_layers(sketch, tuple(patch_size)).n_written


def predict_iteration_s(sketch: NetworkSketch, patch_size: Sequence[int], batch_size: int, *, gflops: float) -> float:
    """Seconds of one training iteration on a CPU.

    Args:
        gflops: what the device reaches in a float32 matrix product, in billions of operations per second.
    """
    n_dimensions = len(patch_size)
    flops = count_iteration_flops(sketch, patch_size, batch_size) / EFFICIENCY[n_dimensions]
    moved = count_iteration_values(sketch, patch_size, batch_size) * FLOPS_PER_VALUE[n_dimensions]
    return (flops + moved) / (gflops * GIGA)
