from __future__ import annotations

from autoseg.planning.rules.blocks import decide_blocks


def test_plain_stages_have_two_convolutions() -> None:
    blocks = decide_blocks(network="unet", n_stages=3).value
    assert (blocks.encoder, blocks.decoder) == ((2, 2, 2), (2, 2))


def test_residual_stages_deepen_and_their_decoder_is_light() -> None:
    blocks = decide_blocks(network="residual_unet", n_stages=6).value
    assert (blocks.encoder, blocks.decoder) == ((1, 3, 4, 6, 6, 6), (1, 1, 1, 1, 1))
    assert decide_blocks(network="residual_unet", n_stages=2).value.encoder == (1, 3)
