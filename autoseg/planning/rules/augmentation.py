"""What is done to a training patch before the network sees it? (augmentation)

Source: nnU-Net 2.8's transforms, their order, probabilities and ranges; all borrowed. They cost about 10 ms for a patch
of 40x56x40 on one core, so that a CPU needs no lighter ones. A person may ask for less or more of them: `PRESETS` says
what comes of the published ones then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autoseg.decision import Decision, ruled
from autoseg.errors import UsageError
from autoseg.planning.choices import Augmentation, Transform
from autoseg.serialization import did_you_mean

FLAT_PATCH = 3.0  # longest over first axis beyond which a 3D patch is turned in-plane only; borrowed
LONG_PICTURE = 1.5  # aspect ratio beyond which a 2D patch is turned little, because corners would be lost; borrowed
ROTATION_3D_DEG, ROTATION_IN_PLANE_DEG, ROTATION_LONG_DEG = 30.0, 180.0, 15.0  # borrowed
DEFAULT_PRESET = "default"
LIGHT_SHARE = 0.5  # of the published probabilities
STRONG_ROTATION = 1.5  # times the published range of angles
ELASTIC_RANGE = (1.0, 4.0)  # voxels; beyond 6.4 coordinates would fold (training.turning.CONTROL_SPACING)
VARYING = (  # every transform of a patch but flips
    "rotation_deg",
    "scaling",
    "gaussian_noise",
    "gaussian_blur",
    "brightness",
    "contrast",
    "low_resolution",
    "inverted_gamma",
    "gamma",
    "elastic",
)


def decide_augmentation(*, patch_size: Sequence[int], preset: str = DEFAULT_PRESET) -> Decision[Augmentation]:
    """The transforms of a patch in axis order, as much of them as a preset out of `PRESETS` says.

    Raises:
        UsageError: there is no such preset.
    """
    if preset not in PRESETS:
        raise UsageError(f"There is no augmentation preset {preset}.{did_you_mean(preset, PRESETS)}")
    rotation, in_plane, sentence = _choose_rotation(patch_size)
    published = Augmentation(
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
    if preset == DEFAULT_PRESET:
        return ruled(published, sentence, patch_size=list(patch_size))
    augmentation, change = PRESETS[preset](published)
    return ruled(augmentation, f"{change}; {sentence}", patch_size=list(patch_size), preset=preset)


def _keep(published: Augmentation) -> tuple[Augmentation, str]:
    return published, "as published"


def _leave_out(published: Augmentation) -> tuple[Augmentation, str]:
    return _scale_chances(published, (*VARYING, "mirroring"), 0.0), "off: patches stay as they are, ranges are kept"


def _lighten(published: Augmentation) -> tuple[Augmentation, str]:
    lighter = _scale_chances(published, VARYING, LIGHT_SHARE)
    return lighter, f"light: each transform but flips at {LIGHT_SHARE:.0%} of its published probability"


def _strengthen(published: Augmentation) -> tuple[Augmentation, str]:
    """Wider and more often. The numbers were chosen, not searched for."""
    low, high = published.rotation_deg.range or (0.0, 0.0)
    stronger = published.model_copy(
        update={
            "rotation_deg": Transform(
                probability=0.4, range=(max(low * STRONG_ROTATION, -180.0), min(high * STRONG_ROTATION, 180.0))
            ),
            "scaling": Transform(probability=0.4, range=(0.6, 1.6)),
            "elastic": Transform(probability=0.3, range=ELASTIC_RANGE),
            "gaussian_noise": Transform(probability=0.2, range=(0.0, 0.15)),
            "gaussian_blur": Transform(probability=0.3, range=(0.5, 1.5), probability_per_channel=0.5),
            "brightness": Transform(probability=0.3, range=(0.6, 1.4)),
            "contrast": Transform(probability=0.3, range=(0.6, 1.4)),
            "low_resolution": Transform(probability=0.3, range=(0.4, 1.0), probability_per_channel=0.5),
            "inverted_gamma": Transform(probability=0.2, range=(0.6, 1.7)),
            "gamma": Transform(probability=0.4, range=(0.6, 1.7)),
        }
    )
    return stronger, "strong: wider ranges, up to three times as often, and elastic deformation"


PRESETS: dict[str, Callable[[Augmentation], tuple[Augmentation, str]]] = {
    "off": _leave_out,
    "light": _lighten,
    DEFAULT_PRESET: _keep,
    "strong": _strengthen,
}
"""Name -> what becomes of the published transforms, and the words for it. From least to most."""


def _scale_chances(augmentation: Augmentation, names: Sequence[str], share: float) -> Augmentation:
    def scale(transform: Transform) -> Transform:
        return transform.model_copy(update={"probability": transform.probability * share})

    return augmentation.model_copy(update={name: scale(getattr(augmentation, name)) for name in names})


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
