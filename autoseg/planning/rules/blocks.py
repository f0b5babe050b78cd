"""How many convolutions or residual blocks does each stage have?

Sources: Isensee et al., Nature Methods 2021 (plain); nnU-Net Revisited, arXiv 2404.09556 (residual); for the published
baselines their own papers, which `networks/baselines` names.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoseg.decision import Decision, fixed
from autoseg.planning.choices import Blocks
from autoseg.planning.network_names import split_network

PLAIN_PER_STAGE = 2  # convolutions; borrowed
RESIDUAL_PER_STAGE = (1, 3, 4, 6)  # blocks, the last one repeated; borrowed
RESIDUAL_DECODER = 1  # convolutions: the encoder does the work; borrowed
VGG_PER_STAGE = (2, 2, 3)  # convolutions of VGG-16, the last one repeated; borrowed
VGG_TOP = 2  # its fully connected layers that are left, as convolutions of the coarsest stage; borrowed
VNET_PER_STAGE = (1, 2, 3)  # convolutions, the last one repeated, in the encoder and in the decoder; borrowed
MEDNEXT_PER_STAGE = {"m": (3, 4), "l": (3, 4, 8)}  # blocks, the last one repeated, both ways; of s and b 2; borrowed


def decide_blocks(*, network: str, n_stages: int) -> Decision[Blocks]:
    """Blocks of every stage, finest first."""
    name, variant = split_network(network)
    if name == "residual_unet":
        encoder = repeat_last(RESIDUAL_PER_STAGE, n_stages)
        blocks = Blocks(encoder=encoder, decoder=(RESIDUAL_DECODER,) * (n_stages - 1))
        return fixed(blocks, "published depths of the residual encoder, with a light decoder")
    if name == "fcn8s":
        encoder = (*repeat_last(VGG_PER_STAGE, n_stages - 1), VGG_TOP)
        blocks = Blocks(encoder=encoder, decoder=(1,) * (n_stages - 1))
        return fixed(blocks, "published depths of VGG-16; there is no decoder, and its entries count for nothing")
    if name == "vnet":
        return fixed(_mirror(VNET_PER_STAGE, n_stages), "published depths of V-Net, the same in the decoder")
    if name == "mednext" and variant in MEDNEXT_PER_STAGE:
        return fixed(_mirror(MEDNEXT_PER_STAGE[variant], n_stages), f"published depths of MedNeXt {variant.upper()}")
    if name == "mednext":
        return fixed(_mirror([PLAIN_PER_STAGE], n_stages), "two blocks per stage, as published")
    return fixed(_mirror([PLAIN_PER_STAGE], n_stages), "two convolutions per stage, as published")


def _mirror(per_stage: Sequence[int], n_stages: int) -> Blocks:
    """The same in the encoder and in the decoder, which has a stage less."""
    return Blocks(encoder=repeat_last(per_stage, n_stages), decoder=repeat_last(per_stage, n_stages - 1))


def repeat_last(values: Sequence[int], n: int) -> tuple[int, ...]:
    """The first `n` of them, the last one repeated where there are fewer."""
    return (*values[:n], *[values[-1]] * (n - len(values)))
