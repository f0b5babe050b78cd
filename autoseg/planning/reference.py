"""What may a network cost by the yardstick that was published with nnU-Net, and what does it cost by it?

The yardstick is a count of feature-map values per sample, held against a reference that was found on one GPU and is
scaled linearly with memory. Sources: Isensee et al., Nature Methods 2021 (plain); nnU-Net Revisited, arXiv 2404.09556
(residual M, L, XL). All numbers are borrowed. What a network really holds is `memory`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoseg.planning.layers import NetworkSketch

REFERENCE_BATCH = {2: 12, 3: 2}  # samples that the references stand for, by number of dimensions
MIN_BATCH = 2


@dataclass(frozen=True)
class Preset:
    """A published budget.

    Attributes:
        name: how it is known.
        memory_gb: the GPU memory that the references stand for.
        n_values: feature-map values by number of dimensions.
        max_share_of_dataset: the part of all voxels that a batch may hold.
        shrinks_for_batch: by number of dimensions, how many samples the yardstick must hold before the patch stops
            shrinking.
    """

    name: str
    memory_gb: float
    n_values: dict[int, float]
    max_share_of_dataset: float
    shrinks_for_batch: dict[int, int]

    def scale(self, n_dimensions: int, memory_gb: float) -> float:
        """Feature-map values that a memory of another size stands for."""
        return self.n_values[n_dimensions] * (memory_gb / self.memory_gb)


PLAIN = Preset("plain", 8, {2: 85e6, 3: 560e6}, 0.05, {2: MIN_BATCH, 3: MIN_BATCH})
RESIDUAL_M = Preset("residual M", 8, {2: 135e6, 3: 680e6}, 1.0, REFERENCE_BATCH)
RESIDUAL_L = Preset("residual L", 24, {2: 380e6, 3: 2100e6}, 1.0, REFERENCE_BATCH)
RESIDUAL_XL = Preset("residual XL", 40, {2: 560e6, 3: 3600e6}, 1.0, REFERENCE_BATCH)
SIZES = {"m": RESIDUAL_M, "l": RESIDUAL_L, "xl": RESIDUAL_XL}


def choose_preset(network: str, memory_gb: float) -> Preset:
    """The published budget that is nearest to a memory from below."""
    return list_presets(network, memory_gb)[-1]


def list_presets(network: str, memory_gb: float) -> tuple[Preset, ...]:
    """The published budgets of a network that a memory reaches, smallest first."""
    if network != "residual_unet":
        return (PLAIN,)
    return (RESIDUAL_M, *(preset for preset in (RESIDUAL_L, RESIDUAL_XL) if memory_gb >= 0.9 * preset.memory_gb))


def scale_presets(network: str, memory_gb: float, n_dimensions: int) -> Preset:
    """The most generous of the published budgets that a memory reaches, so that more memory never means a smaller one.

    The larger ones were published with fewer values per GB.
    """
    presets = list_presets(network, memory_gb)
    return max(presets, key=lambda preset: preset.scale(n_dimensions, memory_gb))


def exceeds(sketch: NetworkSketch, patch_size: Sequence[int], preset: Preset, memory_gb: float) -> bool:
    """Whether a patch is too large for a published budget, scaled to a memory."""
    n_dimensions = len(patch_size)
    per_sample = count_feature_values(sketch, patch_size) / REFERENCE_BATCH[n_dimensions]
    return per_sample * preset.shrinks_for_batch[n_dimensions] > preset.scale(n_dimensions, memory_gb)


def count_allowed(sketch: NetworkSketch, patch_size: Sequence[int], preset: Preset, memory_gb: float) -> int:
    """Samples that a published budget allows, rounded as it was published."""
    n_dimensions = len(patch_size)
    share = preset.scale(n_dimensions, memory_gb) / count_feature_values(sketch, patch_size)
    return round(share * REFERENCE_BATCH[n_dimensions])


def count_feature_values(sketch: NetworkSketch, patch_size: Sequence[int]) -> int:
    """Feature-map values of one sample: outputs of all convolutions, without normalisation or deep supervision."""
    voxels = [math.prod(shape) for shape in sketch.stage_shapes(patch_size)]
    encoder = _count_residual_encoder if sketch.is_residual else _count_plain_encoder
    decoder = sum(
        (1 + n_convolutions) * n_features * n_voxels
        for n_convolutions, n_features, n_voxels in zip(
            sketch.blocks.decoder, sketch.features[:-1], voxels[:-1], strict=True
        )
    )
    head = sketch.n_labels * voxels[0] if len(voxels) > 1 else 0  # it belongs to the decoder
    return encoder(sketch, voxels) + decoder + head


def _count_plain_encoder(sketch: NetworkSketch, voxels: Sequence[int]) -> int:
    stages = zip(sketch.blocks.encoder, sketch.features, voxels, strict=True)
    return sum(n_blocks * n_features * n_voxels for n_blocks, n_features, n_voxels in stages)


def _count_residual_encoder(sketch: NetworkSketch, voxels: Sequence[int]) -> int:
    total = n_in = sketch.features[0]
    total *= voxels[0]  # the stem
    for stage, n_features in enumerate(sketch.features):
        has_projection = n_in != n_features or any(stride > 1 for stride in sketch.topology.strides[stage])
        total += (2 * sketch.blocks.encoder[stage] + has_projection) * n_features * voxels[stage]
        n_in = n_features
    return total
