"""What does the second pass of a cascade see beside the image, and how is it kept from trusting it blindly?

Source: Isensee et al., Nature Methods 2021: the low-resolution segmentation enters as one channel per label, and in
training its borders are moved and components removed, as the first pass will get them wrong on new cases.
"""

from __future__ import annotations

from autoseg.decision import Decision, fixed, ruled
from autoseg.planning.choices import Corruption, Transform

BORDERS = Transform(probability=0.4, range=(1, 8))  # radius in voxels; borrowed
COMPONENTS = Transform(probability=0.2, range=(0.0, 0.15))  # share of the patch that a removed one covers; borrowed


def decide_previous(*, configuration: str) -> Decision[str]:
    """The configuration whose segmentation the second pass refines."""
    return ruled(configuration, "the low-resolution pass saw the context that a full-resolution patch lacks")


def fix_corruption() -> Decision[Corruption]:
    """How that segmentation is damaged in training."""
    return fixed(
        Corruption(borders=BORDERS, components=COMPONENTS),
        "labels grow, shrink or lose small components now and then, as published: the first pass errs on new cases",
    )
