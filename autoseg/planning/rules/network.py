"""Which network is trained?

Source: nnU-Net Revisited, arXiv 2404.09556: a residual encoder is the better U-Net where there is time to train it.
"""

from __future__ import annotations

from autoseg.decision import SET_BY_HAND, Decision, ruled

BY_DEVICE = {"cpu": "plain_unet"}
ELSEWHERE = "residual_unet"


def decide_network(*, device: str, wish: str) -> Decision[str]:
    """The network's name; `wish` is a name, or `auto`."""
    if wish != "auto":
        return Decision(value=wish, reason=SET_BY_HAND, source="user")
    if device in BY_DEVICE:
        return ruled(BY_DEVICE[device], "on a CPU the plain U-Net learns more per second than the deeper residual one")
    return ruled(ELSEWHERE, "a residual encoder was the best U-Net in a comparison at equal cost (arXiv 2404.09556)")
