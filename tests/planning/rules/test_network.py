from __future__ import annotations

from autoseg.planning.rules.network import decide_network


def test_the_device_chooses_unless_a_person_does() -> None:
    assert decide_network(device="cpu", wish="auto").value == "unet"
    assert decide_network(device="cuda", wish="auto").value == "residual_unet"
    assert decide_network(device="cuda", wish="auto", as_published=True).value == "unet"
    chosen = decide_network(device="cpu", wish="residual_unet")
    assert (chosen.value, chosen.source) == ("residual_unet", "user")
