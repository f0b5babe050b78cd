"""Transforms that mean something, by key and remedy."""

from __future__ import annotations

from typing import Any

import pytest

from autoseg.planning.choices import Augmentation, Transform
from autoseg.planning.rules.augmentation import PRESETS, decide_augmentation
from autoseg.planning.transforms import check_augmentation

PUBLISHED = decide_augmentation(patch_size=(20, 48, 40)).value


def find(name: str, **changes: Any) -> list[str]:
    """What is wrong with published augmentation if one transform is changed."""
    changed: Augmentation = PUBLISHED.model_copy(update={name: getattr(PUBLISHED, name).model_copy(update=changes)})
    return [str(problem) for problem in check_augmentation("augmentation", changed)]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("patch_size", [(20, 48, 40), (5, 64, 48), (64, 48), (96, 32)])
def test_every_preset_holds(preset: str, patch_size: tuple[int, ...]) -> None:
    assert not list(check_augmentation("augmentation", decide_augmentation(patch_size=patch_size, preset=preset).value))


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("gamma", (-1.0, -0.5)),
        ("inverted_gamma", (0.0, 1.0)),
        ("low_resolution", (0.0, 0.0)),
        ("low_resolution", (0.5, 1.5)),
        ("gaussian_noise", (-1.0, -1.0)),
        ("gaussian_blur", (-2.0, -1.0)),
        ("scaling", (0.0, 0.0)),
        ("scaling", (-1.0, 1.0)),
        ("brightness", (0.0, 1.0)),
        ("contrast", (-0.1, 1.0)),
        ("rotation_deg", (-200.0, 10.0)),
        ("elastic", (0.0, 7.0)),
    ],
)
def test_a_range_that_means_nothing_is_named_with_what_it_must_be(name: str, drawn: tuple[float, float]) -> None:
    (problem,) = find(name, range=drawn)
    assert problem.startswith(f"augmentation.{name}.range is")
    assert "must lie" in problem


def test_a_transform_that_would_do_nothing_is_refused() -> None:
    assert "no range to draw from" in find("elastic", probability=1.0)[0]
    assert "treats all channels alike" in find("brightness", probability_per_channel=0.5)[0]
    assert "is mirrored or not" in find("mirroring", range=(0.0, 1.0))[0]
    assert find("contrast", probability_per_channel=0.5) == []


def test_probabilities_and_the_order_of_a_range_are_told_once() -> None:
    assert len(find("gamma", probability=1.5)) == 1
    assert len(find("gamma", range=(2.0, 1.0))) == 1
    assert Transform(probability=0.1).range is None
