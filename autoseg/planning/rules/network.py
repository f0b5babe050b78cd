"""Which network is trained?

Source: nnU-Net Revisited, arXiv 2404.09556: a residual encoder is the better U-Net where there is time to train it.
"""

from __future__ import annotations

from autoseg.components import is_dotted
from autoseg.decision import Decision, ruled
from autoseg.errors import UsageError
from autoseg.planning.network_names import find_fault

AUTO = "auto"
ALIASES = {"plain": "unet", "residual": "residual_unet"}  # what people call them
PUBLISHED = "unet"
BY_DEVICE = {"cpu": "unet"}
ELSEWHERE = "residual_unet"


def decide_network(*, device: str, wish: str, as_published: bool = False) -> Decision[str]:
    """The network's name; `wish` is a name, a dotted path, or `auto`. Raises UsageError for an unknown name."""
    wish = ALIASES.get(wish, wish)
    if wish != AUTO and not is_dotted(wish) and (fault := find_fault(wish, also=(*ALIASES, AUTO))):
        raise UsageError(f"network {wish} {fault}")
    if wish != AUTO:
        return Decision(value=wish, reason="asked for", source="user")
    if as_published:
        return ruled(PUBLISHED, "the plain U-Net is what nnU-Net plans by default")
    if device in BY_DEVICE:
        return ruled(BY_DEVICE[device], "on a CPU the plain U-Net learns more per second than the deeper residual one")
    return ruled(ELSEWHERE, "a residual encoder was the best U-Net in a comparison at equal cost (arXiv 2404.09556)")
