"""How thorough is a prediction?

Source: Isensee et al., Nature Methods 2021: windows at half-patch steps, all mirror images averaged.
"""

from __future__ import annotations

from typing import Literal, get_args

import pydantic

from autoseg.serialization import Record

Mirroring = Literal["none", "adaptive", "all"]
Sums = Literal["device", "memory", "file"]

MIRRORINGS: tuple[Mirroring, ...] = get_args(Mirroring)
STEP = 0.5  # of the patch between windows, at most (borrowed from nnU-Net)
FAST_STEP = 0.75  # of the patch; without mirroring, what --fast means


class PredictionOptions(Record):
    """How thorough a prediction is.

    Attributes:
        step: window step as a share of the patch.
        mirroring: `all` averages the predictions of all mirror images that the plan allows, `none` takes the image
            alone, `adaptive` mirrors only where the first pass is uncertain.
    """

    step: float = pydantic.Field(default=STEP, gt=0, le=1)
    mirroring: Mirroring = "all"


FAST = PredictionOptions(step=FAST_STEP, mirroring="none")
