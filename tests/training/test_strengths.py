"""Strengths are those that batchgenerators draws from the same seed, told from what it does to simple images."""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.planning.choices import Augmentation, Transform
from autoseg.planning.rules.augmentation import decide_augmentation
from autoseg.training.augmentation import INTENSITY_TRANSFORMS, Variation, augment
from autoseg.training.strengths import STRENGTHS, draw_strengths
from autoseg.training.turning import Turn

PATCH = (6, 30, 40)
PUBLISHED = decide_augmentation(patch_size=(40, 56, 40)).value


def apply(name, image, seed, transform) -> np.ndarray:
    augmentation: Augmentation = PUBLISHED.model_copy(update={name: transform})
    variation = Variation(Turn((0.0, 0.0, 0.0)), ((name, seed),))
    return augment(image, np.zeros(PATCH, np.int16), augmentation, variation, patch_size=PATCH)[0]


def make_image(n_channels=4):
    return np.random.default_rng(0).normal(size=(n_channels, *PATCH)).astype(np.float32)


def test_every_transform_has_a_strength():
    assert list(STRENGTHS) == list(INTENSITY_TRANSFORMS)


@pytest.mark.parametrize("chance", [1.0, 0.5])
def test_noise_has_the_spread_that_was_drawn_in_the_channels_that_were_drawn(chance):
    transform = Transform(probability=1, range=(0.02, 0.1), probability_per_channel=chance)
    for seed in range(8):
        drawn = draw_strengths("gaussian_noise", seed, transform, 4, PATCH)
        spreads = apply("gaussian_noise", np.zeros((4, *PATCH), np.float32), seed, transform).std(axis=(1, 2, 3))
        np.testing.assert_allclose(spreads, np.nan_to_num(drawn), rtol=0.05)


def test_brightness_is_the_factor_that_was_drawn():
    image = make_image()
    for seed in range(5):
        factors = apply("brightness", image, seed, PUBLISHED.brightness)[:, 0, 0, 0] / image[:, 0, 0, 0]
        np.testing.assert_allclose(
            factors, draw_strengths("brightness", seed, PUBLISHED.brightness, 4, PATCH), rtol=1e-5
        )


@pytest.mark.parametrize("bounds", [(0.75, 1.25), (1.1, 1.3)])
def test_contrast_is_the_factor_that_was_drawn(bounds):
    transform = Transform(probability=1, range=bounds, probability_per_channel=0.5)
    image = make_image()
    voxel = (slice(None), 1, 2, 3)  # not so far from the mean that it is clipped
    distance = image[voxel] - image.mean(axis=(1, 2, 3))
    for seed in range(5):
        changed = apply("contrast", image, seed, transform)[voxel] - image.mean(axis=(1, 2, 3))
        drawn = np.array(draw_strengths("contrast", seed, transform, 4, PATCH))
        np.testing.assert_allclose(changed / distance, np.where(np.isnan(drawn), 1, drawn), rtol=1e-3)


@pytest.mark.parametrize("name", ["gaussian_blur", "low_resolution"])
def test_the_channels_that_are_left_alone_are_those_drawn(name):
    for seed in range(10):
        drawn = draw_strengths(name, seed, getattr(PUBLISHED, name), 4, PATCH)
        image = make_image()
        changed = np.any(apply(name, image, seed, getattr(PUBLISHED, name)) != image, axis=(1, 2, 3))
        assert changed.tolist() == (~np.isnan(drawn)).tolist()


@pytest.mark.parametrize("name", ["gaussian_noise", "gaussian_blur", "low_resolution"])
def test_a_range_of_one_value_is_that_value(name):
    assert draw_strengths(name, 3, Transform(probability=1, range=(0.7, 0.7)), 2, PATCH) == [0.7, 0.7]
