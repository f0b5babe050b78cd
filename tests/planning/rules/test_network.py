from __future__ import annotations

import pytest

from autoseg.errors import UsageError
from autoseg.planning.rules.network import decide_network


def test_the_device_chooses_unless_a_person_does() -> None:
    assert decide_network(device="cpu", wish="auto").value == "unet"
    assert decide_network(device="cuda", wish="auto").value == "residual_unet"
    assert decide_network(device="cuda", wish="auto", as_published=True).value == "unet"
    chosen = decide_network(device="cpu", wish="residual_unet")
    assert (chosen.value, chosen.source) == ("residual_unet", "user")


def test_a_variant_is_asked_for_like_a_network_and_an_alias_is_suggested() -> None:
    assert decide_network(device="cpu", wish="deeplabv3_plus@resnet50").value == "deeplabv3_plus@resnet50"
    with pytest.raises(UsageError, match=r"network residuel is not known. Did you mean residual\?"):
        decide_network(device="cpu", wish="residuel")
    with pytest.raises(UsageError, match="network mednext@xl is not known: mednext comes as mednext@s, mednext@b"):
        decide_network(device="cpu", wish="mednext@xl")
