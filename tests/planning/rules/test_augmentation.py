from __future__ import annotations

import pytest

from autoseg.errors import UsageError
from autoseg.planning.choices import Augmentation, Transform
from autoseg.planning.rules.augmentation import PRESETS, decide_augmentation

PATCH = (40, 56, 40)
NAMES = [name for name, field in Augmentation.model_fields.items() if field.annotation is Transform]


@pytest.mark.parametrize(
    ("patch_size", "rotation", "in_plane"),
    [
        ((40, 56, 40), 30.0, False),
        ((20, 320, 256), 180.0, True),
        ((64, 192, 160), 30.0, False),
        ((56, 40), 180.0, False),
        ((64, 40), 15.0, False),
    ],
)
def test_the_patchs_shape_limits_the_turning(patch_size: tuple[int, ...], rotation: float, in_plane: bool) -> None:
    augmentation = decide_augmentation(patch_size=patch_size).value
    assert augmentation.rotation_deg.range == (-rotation, rotation)
    assert augmentation.in_plane is in_plane


def decide(preset: str, patch_size: tuple[int, ...] = PATCH) -> Augmentation:
    return decide_augmentation(patch_size=patch_size, preset=preset).value


def test_the_default_is_the_published_one_and_says_so() -> None:
    decision = decide_augmentation(patch_size=PATCH)
    assert decision == decide_augmentation(patch_size=PATCH, preset="default")
    probabilities = {name: getattr(decision.value, name).probability for name in NAMES}
    assert probabilities == {
        "rotation_deg": 0.2,
        "scaling": 0.2,
        "gaussian_noise": 0.1,
        "gaussian_blur": 0.2,
        "brightness": 0.15,
        "contrast": 0.15,
        "low_resolution": 0.25,
        "inverted_gamma": 0.1,
        "gamma": 0.3,
        "mirroring": 0.5,
        "elastic": 0.0,
    }


@pytest.mark.parametrize("name", NAMES)
def test_from_off_to_strong_each_transform_comes_more_often_and_reaches_farther(name: str) -> None:
    transforms = [getattr(decide(preset), name) for preset in ("off", "light", "default", "strong")]
    chances = [transform.probability for transform in transforms]
    assert chances == sorted(chances)
    assert chances[0] == 0
    if name not in ("mirroring", "elastic"):
        assert chances[1] == chances[2] / 2 > 0
        (low, high), (wide_low, wide_high) = transforms[2].range, transforms[3].range
        assert wide_low <= low < high <= wide_high
        assert transforms[1].range == transforms[2].range
        assert transforms[1].probability_per_channel == transforms[3].probability_per_channel


def test_only_strong_bends_and_never_so_far_that_coordinates_fold() -> None:
    assert [preset for preset in PRESETS if decide(preset).elastic.probability > 0] == ["strong"]
    assert max(decide("strong").elastic.range or ()) < 0.4 * 16


def test_strong_keeps_the_patchs_own_turning() -> None:
    assert decide("strong").rotation_deg.range == (-45.0, 45.0)
    assert decide("strong", (64, 40)).rotation_deg.range == (-22.5, 22.5)
    flat = decide("strong", (20, 320, 256))
    assert (flat.in_plane, flat.rotation_deg.range) == (True, (-180.0, 180.0))


@pytest.mark.parametrize("preset", ["off", "light", "strong"])
def test_a_preset_stands_in_the_reason(preset: str) -> None:
    decision = decide_augmentation(patch_size=PATCH, preset=preset)
    assert decision.reason.startswith(f"{preset}: ")
    assert decision.inputs["preset"] == preset


def test_an_unknown_preset_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no augmentation preset stronk\. Did you mean strong\?"):
        decide("stronk")
