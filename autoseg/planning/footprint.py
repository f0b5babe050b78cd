"""Into which parts does a process's memory fall, and what does it hold beside the tensors that it asks for?

Two things are measured (benchmarks/memory.py; Linux, torch 2.13) and not derived: what interpreter and libraries hold,
and what the allocator loses. glibc maps blocks of 32 MB and more one by one and gives them back exactly; smaller
ones come from a heap that freed blocks of other sizes leave full of holes. With every block mapped by itself
(MALLOC_MMAP_THRESHOLD_=65536) six trainings held what `memory` sums up without this loss, to 25 MB.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoseg.planning.devices import BYTES_PER_GB

BYTES_PER_MB = 1e6

# Interpreter, torch, SimpleITK, SciPy, the drawing of curves; torch's optimisers load more of torch. On CUDA the
# driver's context and its libraries: assumed, not measured.
TRAINING_RUNTIME_GB = {"cpu": 0.565, "cuda": 0.5, "mps": 0.565}
PREDICTION_RUNTIME_GB = {"cpu": 0.49, "cuda": 0.5, "mps": 0.49}

LARGEST_HEAP_BLOCK = 2**25  # bytes; glibc's M_MMAP_THRESHOLD grows up to here
TRAINING_HOLES = 0.6  # of what lies in the heap: 0.28 to 0.68 over 12 trainings, a tenth apart from run to run
PREDICTION_HOLES = 0.25  # of the feature maps: 0.17 to 0.3 over 5 predictions
GPU_HOLES = 0.08  # of everything: torch's caching allocator rounds up and splits its segments; assumed


@dataclass(frozen=True)
class Footprint:
    """Bytes by purpose.

    Attributes:
        runtime: of the process, or of the GPU's context.
        overhead: what the allocator loses.
    """

    runtime: float
    overhead: float

    @property
    def total_gb(self) -> float:
        return float(sum(vars(self).values())) / BYTES_PER_GB

    def in_mb(self) -> dict[str, float]:
        """Each part in MB, by name with its unit."""
        return {f"{name}_mb": round(size / BYTES_PER_MB, 1) for name, size in vars(self).items()}


@dataclass(frozen=True)
class TrainingMemory(Footprint):
    """Bytes that training holds at its peak.

    Attributes:
        weights, gradients, optimizer, average: one value per weight and copy.
        activations: what autograd keeps of the network.
        loss: logits, and what the loss holds at its busiest.
        batches: patches, made ahead and current; on a GPU the current one.
        temporaries: what the busiest moment holds beyond all this, where that is not the loss.
    """

    weights: float
    gradients: float
    optimizer: float
    average: float
    activations: float
    loss: float
    batches: float
    temporaries: float


@dataclass(frozen=True)
class PredictionMemory(Footprint):
    """Bytes that prediction holds at its peak.

    Attributes:
        weights: of all networks.
        windows: live feature maps of a batch of windows, its copies and its logits.
        sums: logits and weights summed over the network grid.
        images: the image as read, normalised, on the network grid, and padded; nothing on a GPU.
        temporaries: what loading, preprocessing or restoring hold beyond all this.
    """

    weights: float
    windows: float
    sums: float
    images: float
    temporaries: float


def count_holes(size: float, block: float, share: float = TRAINING_HOLES) -> float:
    """What the heap loses on a size that comes in such blocks.

    Beyond the largest heap block it loses nothing. There the loss sinks only as fast as the size rises, so that a
    larger batch never costs less.
    """
    if block <= LARGEST_HEAP_BLOCK:
        return share * size
    below = size * LARGEST_HEAP_BLOCK / block
    return max(share * below - (size - below), 0.0)
