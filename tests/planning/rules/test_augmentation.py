from __future__ import annotations

import pytest

from autoseg.planning.rules.augmentation import decide_augmentation


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
