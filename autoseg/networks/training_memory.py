"""How much memory will training hold, of any network?

`planning.memory` knows U-Nets layer by layer. Here the same sum is made of what was counted on the network itself
(`costs`), so that it holds for a person's own as well. What kernels take for themselves beside their tensors is not in
it: for U-Nets, whose kernels were measured (`planning.peaks`), the plan's own forecast is the better one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoseg.networks.costs import NetworkCosts
from autoseg.planning.choices import Optimizer
from autoseg.planning.footprint import TrainingMemory, count_holes
from autoseg.planning.memory import TrainingParts, add_up_training, count_batch_bytes
from autoseg.planning.peaks import FLOAT32_BYTES, HALF_BYTES, Arithmetic, peak_of_loss


def forecast_training(
    costs: NetworkCosts,
    batch_size: int,
    optimizer: Optimizer,
    *,
    patch_size: Sequence[int],
    n_channels: int,
    device: str = "cpu",
    precision: str = "float32",
) -> TrainingMemory:
    """What training holds at its peak, as `training.loop` runs it, with cross-entropy and soft Dice.

    Args:
        costs: of the network, counted for this patch, best for this batch.
        patch_size: voxels per axis, in axis order; two for 2D.
        n_channels: of the image.
        device: `cpu`, `cuda` or `mps`.
        precision: `float32`, or `bfloat16` or `float16` for CUDA's autocast, under which all maps are taken to be half
            as wide.
    """
    arithmetic = Arithmetic(device, precision)
    share = arithmetic.map_bytes / FLOAT32_BYTES
    kept = batch_size * share * costs.kept_bytes + arithmetic.is_mixed * HALF_BYTES * costs.n_parameters
    logits = batch_size * arithmetic.map_bytes * sum(math.prod(shape) for shape in costs.output_shapes)
    n_outputs, levels = costs.output_shapes[0][0], [shape[1:] for shape in costs.output_shapes]
    loss = logits + batch_size * peak_of_loss(n_outputs, levels, arithmetic)
    blocks = [batch_size * share * size for size in costs.kept_blocks]
    of_loss = count_holes(loss, FLOAT32_BYTES * batch_size * math.prod(costs.output_shapes[0]))
    return add_up_training(
        TrainingParts(
            weights=FLOAT32_BYTES * costs.n_parameters,
            activations=kept,
            logits=logits,
            loss=loss,
            batches=count_batch_bytes(n_channels, math.prod(patch_size), batch_size, arithmetic),
            at_backward=batch_size * share * costs.peak_bytes,
            holes=sum(count_holes(size, size) for size in blocks) + of_loss,
        ),
        optimizer,
        len(patch_size),
        arithmetic,
    )
