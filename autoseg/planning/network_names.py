"""Which network does a name mean?

A name of `blueprint.NETWORKS`; some take a variant after `@`: `mednext@l` is a size, `fpn@resnet50` an encoder of
segmentation_models_pytorch, whose names only that library knows.
"""

from __future__ import annotations

from autoseg.planning.blueprint import NETWORK_VARIANTS, NETWORKS
from autoseg.serialization import did_you_mean

MARK = "@"


def split_network(name: str) -> tuple[str, str | None]:
    """The network and its variant; None where there is none after a mark."""
    network, mark, variant = name.partition(MARK)
    return network, variant if mark else None


def find_fault(name: str, *, also: tuple[str, ...] = ()) -> str | None:
    """What is wrong with a name, None if it is known.

    Args:
        also: further names that the reader may have meant.
    """
    network, variant = split_network(name)
    if network not in NETWORKS:
        return f"is not known.{did_you_mean(network, (*NETWORKS, *also))}"
    if variant is None:
        return None
    if network not in NETWORK_VARIANTS:
        return f"is not known: {network} has no variants. Write {network}."
    known = NETWORK_VARIANTS[network]
    if known and variant not in known:
        return f"is not known: {network} comes as {', '.join(f'{network}{MARK}{one}' for one in known)}."
    return None if variant else f"names no variant after {MARK}, as in {network}{MARK}resnet50."
