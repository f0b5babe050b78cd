"""What is done to a training patch before the network sees it? (augmentation)

Source: nnU-Net 2.8's transforms, their order, probabilities and ranges; all borrowed. They cost about 10 ms for a patch
of 40x56x40 on one core, so that a CPU needs no lighter ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoseg.decision import Decision, ruled
from autoseg.planning.choices import Augmentation, Transform

FLAT_PATCH = 3.0  # longest over first axis beyond which a 3D patch is turned in-plane only; borrowed
LONG_PICTURE = 1.5  # aspect ratio beyond which a 2D patch is turned little, because corners would be lost; borrowed
ROTATION_3D_DEG, ROTATION_IN_PLANE_DEG, ROTATION_LONG_DEG = 30.0, 180.0, 15.0  # borrowed


def decide_augmentation(*, patch_size: Sequence[int]) -> Decision[Augmentation]:
    """The transforms of a patch in axis order."""
    rotation, in_plane, sentence = _choose_rotation(patch_size)
    augmentation = Augmentation(
        in_plane=in_plane,
        rotation_deg=Transform(probability=0.2, range=(-rotation, rotation)),
        scaling=Transform(probability=0.2, range=(0.7, 1.4)),
        gaussian_noise=Transform(probability=0.1, range=(0.0, 0.1)),
        gaussian_blur=Transform(probability=0.2, range=(0.5, 1.0), probability_per_channel=0.5),
        brightness=Transform(probability=0.15, range=(0.75, 1.25)),
        contrast=Transform(probability=0.15, range=(0.75, 1.25)),
        low_resolution=Transform(probability=0.25, range=(0.5, 1.0), probability_per_channel=0.5),
        inverted_gamma=Transform(probability=0.1, range=(0.7, 1.5)),
        gamma=Transform(probability=0.3, range=(0.7, 1.5)),
        mirroring=Transform(probability=0.5),
    )
    return ruled(augmentation, sentence, patch_size=list(patch_size))


def _choose_rotation(patch_size: Sequence[int]) -> tuple[float, bool, str]:
    """Degrees, whether in-plane only, and why."""
    if len(patch_size) == 2:
        if max(patch_size) / min(patch_size) > LONG_PICTURE:
            return ROTATION_LONG_DEG, False, "published transforms, turned little because the picture is long"
        return ROTATION_IN_PLANE_DEG, False, "published transforms, turned by any angle"
    if max(patch_size) / patch_size[0] > FLAT_PATCH:
        ratio = max(patch_size) / patch_size[0]
        reason = f"published transforms, in-plane by any angle: the patch is {ratio:.1f} times longer than thick"
        return ROTATION_IN_PLANE_DEG, True, reason
    return ROTATION_3D_DEG, False, f"published transforms, turned by up to {ROTATION_3D_DEG:g} degrees around each axis"
