"""Which cases of a method are shown as pictures?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autoseg.drawing.overlays import Overlay

Role = Literal["best", "median", "worst"]


@dataclass(frozen=True)
class MethodOverlay:
    """A case of a method, and what it stands for by its mean Dice among the cases of that method."""

    method: str
    role: Role
    overlay: Overlay
