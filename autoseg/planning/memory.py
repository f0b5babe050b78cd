"""How much memory does training hold?

A physical estimate in bytes, from the layers that autograd keeps tensors for (`layers`; a test holds them against what
the real networks save) and from what the optimiser keeps per weight. Values are float32: mixed precision saves time
more than memory here, because normalisation keeps its input in full precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoseg.planning.layers import NetworkSketch, sum_layers
from autoseg.planning.plan import Optimizer

BYTES_PER_VALUE = 4  # float32
BYTES_PER_GB = 1e9
BYTES_PER_MB = 1e6
OPTIMIZER_COPIES = {"sgd": 1, "adamw": 2}  # values kept per weight: momentum; first and second moment
TENSORS_PER_LOGIT = 4  # logits, log-softmax, softmax, gradient
TARGET_BYTES_PER_VOXEL = 10  # labels as int16 in the batch and int64 in the loss
TEMPORARIES = 3  # copies of the largest feature map in flight: its gradient, the next one, a convolution's workspace
RUNTIME_GB = 0.7  # interpreter, torch and its libraries: what two trainings on Hippocampus held beyond the parts above


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes that training holds, by purpose."""

    weights: float
    gradients: float
    optimizer: float
    average: float
    activations: float
    logits: float
    temporaries: float
    runtime: float = RUNTIME_GB * BYTES_PER_GB

    @property
    def total_gb(self) -> float:
        return float(sum(vars(self).values())) / BYTES_PER_GB

    def in_mb(self) -> dict[str, float]:
        """Each part in MB, by name with its unit."""
        return {f"{name}_mb": round(size / BYTES_PER_MB, 1) for name, size in vars(self).items()}


def count_parameters(sketch: NetworkSketch) -> int:
    """Learned values of a network; they do not depend on the patch."""
    smallest = sketch.topology.divisor
    return sum_layers(sketch, smallest).n_parameters


def estimate_training_memory(
    sketch: NetworkSketch, patch_size: Sequence[int], batch_size: int, optimizer: Optimizer
) -> TrainingMemory:
    """What training holds at its peak, for a batch of patches."""
    cost = sum_layers(sketch, tuple(patch_size))
    weights = BYTES_PER_VALUE * cost.n_parameters
    logits = BYTES_PER_VALUE * TENSORS_PER_LOGIT * cost.n_logits
    largest = BYTES_PER_VALUE * 2 * sketch.features[0] * math.prod(patch_size)
    return TrainingMemory(
        weights=weights,
        gradients=weights,
        optimizer=weights * OPTIMIZER_COPIES.get(optimizer.name, 2),
        average=weights if optimizer.ema_decay is not None else 0,
        activations=BYTES_PER_VALUE * batch_size * cost.n_saved,
        logits=batch_size * (logits + TARGET_BYTES_PER_VOXEL * math.prod(patch_size)),
        temporaries=TEMPORARIES * batch_size * largest,
    )


def find_largest_batch(
    sketch: NetworkSketch, patch_size: Sequence[int], optimizer: Optimizer, *, memory_gb: float
) -> int:
    """The largest batch whose training stays within a memory; 0 if not even one patch does."""
    nothing = estimate_training_memory(sketch, patch_size, 0, optimizer).total_gb
    one = estimate_training_memory(sketch, patch_size, 1, optimizer).total_gb
    return max(math.floor((memory_gb - nothing) / (one - nothing)), 0)
