from __future__ import annotations

import pytest

from autoseg.planning.choices import Blocks, Topology
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.reference import (
    PLAIN,
    choose_preset,
    count_allowed,
    count_feature_values,
    exceeds,
    scale_presets,
)

TOPOLOGY = Topology(strides=((1, 1, 1), (1, 2, 2)), kernel_sizes=((1, 3, 3), (3, 3, 3)))
PATCH = (4, 8, 6)  # 192 voxels, 48 below


def sketch(network: str, encoder: tuple[int, ...], decoder: tuple[int, ...]) -> NetworkSketch:
    return NetworkSketch(network, TOPOLOGY, (10, 20), Blocks(encoder=encoder, decoder=decoder), 1, 3)


def test_a_plain_network_counts_its_convolutions_outputs() -> None:
    encoder, decoder, head = 2 * 10 * 192 + 2 * 20 * 48, 10 * 192 + 2 * 10 * 192, 3 * 192
    assert count_feature_values(sketch("unet", (2, 2), (2,)), PATCH) == encoder + decoder + head


def test_a_residual_network_counts_its_stem_and_projections_too() -> None:
    stem, first, second = 10 * 192, 2 * 10 * 192, 3 * 2 * 20 * 48 + 20 * 48
    decoder, head = 2 * 10 * 192, 3 * 192
    assert count_feature_values(sketch("residual_unet", (1, 3), (1,)), PATCH) == stem + first + second + decoder + head


@pytest.mark.parametrize(
    ("network", "memory_gb", "name"),
    [
        ("unet", 80, "plain"),
        ("residual_unet", 8, "residual M"),
        ("residual_unet", 21.5, "residual M"),
        ("residual_unet", 24, "residual L"),
        ("residual_unet", 40, "residual XL"),
    ],
)
def test_memory_chooses_the_preset(network: str, memory_gb: float, name: str) -> None:
    assert choose_preset(network, memory_gb).name == name


def test_the_yardstick_scales_with_memory() -> None:
    counted = count_feature_values(sketch("unet", (2, 2), (2,)), PATCH)
    assert not exceeds(sketch("unet", (2, 2), (2,)), PATCH, PLAIN, 8 * counted / 560e6)
    assert exceeds(sketch("unet", (2, 2), (2,)), PATCH, PLAIN, 7.9 * counted / 560e6)
    assert count_allowed(sketch("unet", (2, 2), (2,)), PATCH, PLAIN, 16 * counted / 560e6) == 4


@pytest.mark.parametrize("n_dimensions", [2, 3])
def test_more_memory_never_means_a_smaller_published_budget(n_dimensions: int) -> None:
    memories = [gb / 4 for gb in range(4, 400)]
    budgets = [scale_presets("residual_unet", gb, n_dimensions).scale(n_dimensions, gb) for gb in memories]
    assert budgets == sorted(budgets)
    assert scale_presets("residual_unet", 40, 3).name == "residual XL"


def test_a_network_of_one_stage_has_no_decoder_to_count() -> None:
    topology = Topology(strides=((1, 1, 1),), kernel_sizes=((3, 3, 3),))
    alone = NetworkSketch("unet", topology, (10,), Blocks(encoder=(2,), decoder=()), 1, 3)
    assert count_feature_values(alone, PATCH) == 2 * 10 * 192
