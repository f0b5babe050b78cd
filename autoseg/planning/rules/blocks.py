"""How many convolutions or residual blocks does each stage have?

Sources: Isensee et al., Nature Methods 2021 (plain); nnU-Net Revisited, arXiv 2404.09556 (residual).
"""

from __future__ import annotations

from autoseg.decision import Decision, fixed
from autoseg.planning.choices import Blocks

PLAIN_PER_STAGE = 2  # convolutions; borrowed
RESIDUAL_PER_STAGE = (1, 3, 4, 6)  # blocks, the last one repeated; borrowed
RESIDUAL_DECODER = 1  # convolutions: the encoder does the work; borrowed


def decide_blocks(*, network: str, n_stages: int) -> Decision[Blocks]:
    """Blocks of every stage, finest first."""
    if network == "residual_unet":
        encoder = RESIDUAL_PER_STAGE[:n_stages] + (RESIDUAL_PER_STAGE[-1],) * (n_stages - len(RESIDUAL_PER_STAGE))
        blocks = Blocks(encoder=encoder, decoder=(RESIDUAL_DECODER,) * (n_stages - 1))
        return fixed(blocks, "published depths of the residual encoder, with a light decoder")
    blocks = Blocks(encoder=(PLAIN_PER_STAGE,) * n_stages, decoder=(PLAIN_PER_STAGE,) * (n_stages - 1))
    return fixed(blocks, "two convolutions per stage, as published")
