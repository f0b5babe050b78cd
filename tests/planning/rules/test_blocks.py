from __future__ import annotations

import pytest

from autoseg.planning.blueprint import NETWORKS
from autoseg.planning.rules.blocks import decide_blocks


def test_plain_stages_have_two_convolutions() -> None:
    blocks = decide_blocks(network="unet", n_stages=3).value
    assert (blocks.encoder, blocks.decoder) == ((2, 2, 2), (2, 2))


def test_residual_stages_deepen_and_their_decoder_is_light() -> None:
    blocks = decide_blocks(network="residual_unet", n_stages=6).value
    assert (blocks.encoder, blocks.decoder) == ((1, 3, 4, 6, 6, 6), (1, 1, 1, 1, 1))
    assert decide_blocks(network="residual_unet", n_stages=2).value.encoder == (1, 3)


@pytest.mark.parametrize(
    ("network", "encoder", "decoder"),
    [
        ("fcn8s", (2, 2, 3, 3, 3, 2), (1,) * 5),  # VGG-16: 13 convolutions, and two fully connected layers
        ("vnet", (1, 2, 3, 3, 3, 3), (1, 2, 3, 3, 3)),
        ("mednext", (2,) * 6, (2,) * 5),
        ("mednext@m", (3, 4, 4, 4, 4, 4), (3, 4, 4, 4, 4)),
        ("mednext@l", (3, 4, 8, 8, 8, 8), (3, 4, 8, 8, 8)),
        ("attention_unet", (2,) * 6, (2,) * 5),
    ],
)
def test_published_networks_have_their_published_depths(
    network: str, encoder: tuple[int, ...], decoder: tuple[int, ...]
) -> None:
    blocks = decide_blocks(network=network, n_stages=6).value
    assert (blocks.encoder, blocks.decoder) == (encoder, decoder)


@pytest.mark.parametrize("network", [*NETWORKS, "mednext@l"])
@pytest.mark.parametrize("n_stages", [1, 2, 9])
def test_every_stage_has_its_blocks(network: str, n_stages: int) -> None:
    blocks = decide_blocks(network=network, n_stages=n_stages).value
    assert (len(blocks.encoder), len(blocks.decoder)) == (n_stages, n_stages - 1)
