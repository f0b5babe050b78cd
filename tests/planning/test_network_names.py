"""A name is a network, or a network and its variant; what is wrong with another is one sentence."""

from __future__ import annotations

import pytest

from autoseg.planning.blueprint import NETWORK_VARIANTS, NETWORKS
from autoseg.planning.network_names import find_fault, split_network


@pytest.mark.parametrize("name", [*NETWORKS, "fpn@resnet18", "deeplabv3_plus@tu-convnext_tiny", "mednext@l"])
def test_known_names_have_no_fault(name: str) -> None:
    assert find_fault(name) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("unett", "is not known. Did you mean unet?"),
        ("fnp@resnet18", "is not known. Did you mean fpn?"),
        ("mednext@k", "is not known: mednext comes as mednext@s, mednext@b, mednext@m, mednext@l."),
        (
            "vnet@l",
            "is not known: vnet has no variants. Write vnet.",
        ),
        ("fpn@", "names no variant after @, as in fpn@resnet50."),
    ],
)
def test_a_fault_is_told_with_the_way_out(name: str, fault: str) -> None:
    assert find_fault(name) == fault


def test_a_name_is_split_at_its_mark() -> None:
    assert split_network("fpn@tu-res@v2") == ("fpn", "tu-res@v2")
    assert split_network("unet") == ("unet", None)
    assert set(NETWORK_VARIANTS) < set(NETWORKS)
