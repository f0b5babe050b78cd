"""The device's intensity transforms do what the workers' do, with the same strengths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from autoseg.planning.choices import Transform
from autoseg.planning.rules.augmentation import decide_augmentation
from autoseg.training.augmentation import INTENSITY_TRANSFORMS, Variation, augment
from autoseg.training.device_intensity import CHANGES, change_intensities
from autoseg.training.turning import Turn

STRONG = decide_augmentation(patch_size=(40, 56, 40), preset="strong").value
EXACT = [name for name in INTENSITY_TRANSFORMS if name != "gaussian_noise"]
PATCHES = [(10, 16, 24), (16, 24), (1, 21, 14)]
TOLERANCE = 1e-5  # of intensities up to 10: float32 keeps seven digits, and sums lose one; 1.4e-6 was measured


def make_images(n_samples, patch_size, n_channels=3):
    rng = np.random.default_rng(0)
    rough = rng.normal(size=(n_samples, n_channels, *patch_size))
    return np.stack([[gaussian_filter(one, 1) * 5 for one in image] for image in rough]).astype(np.float32)


def run_both(images, steps, augmentation=STRONG):
    """Each sample with its own steps: by the workers one by one, and by the device all together."""
    patch_size = images.shape[2:]
    variations = [Variation(Turn((0.0,) * (len(patch_size) == 3) * 3 or (0.0,)), own) for own in steps]
    labels = np.zeros(patch_size, np.int16)
    parts = zip(images, variations, strict=True)
    expected = [augment(image, labels, augmentation, own, patch_size=patch_size)[0] for image, own in parts]
    changed = torch.from_numpy(images.copy())
    change_intensities(changed, augmentation, variations)
    return np.stack(expected), changed.numpy()


def test_both_engines_know_the_same_transforms_in_the_same_order():
    assert list(CHANGES) == list(INTENSITY_TRANSFORMS)


@pytest.mark.parametrize("patch_size", PATCHES)
@pytest.mark.parametrize("name", EXACT)
def test_each_transform_does_what_the_workers_do(name, patch_size):
    images = make_images(8, patch_size)
    expected, changed = run_both(images, [((name, seed),) for seed in range(8)])
    assert np.abs(expected - images).max() > 0.1
    np.testing.assert_allclose(changed, expected, atol=TOLERANCE)


@pytest.mark.parametrize("patch_size", PATCHES)
def test_all_transforms_one_after_the_other_do_what_the_workers_do(patch_size):
    steps = [tuple((name, 10 * seed) for name in EXACT) for seed in range(6)]
    expected, changed = run_both(make_images(6, patch_size), steps)
    np.testing.assert_allclose(changed, expected, atol=10 * TOLERANCE)


def test_only_the_samples_that_get_a_transform_are_changed():
    images = make_images(4, (10, 16, 24))
    expected, changed = run_both(images, [(), (("gamma", 1),), (), (("contrast", 2), ("gamma", 3))])
    np.testing.assert_array_equal(changed[[0, 2]], images[[0, 2]])
    np.testing.assert_allclose(changed, expected, atol=TOLERANCE)


def test_low_resolution_leaves_the_axis_across_a_flat_patch_alone():
    flat = STRONG.model_copy(update={"in_plane": True})
    expected, changed = run_both(make_images(6, (10, 16, 24)), [(("low_resolution", s),) for s in range(6)], flat)
    np.testing.assert_allclose(changed, expected, atol=TOLERANCE)


def test_noise_has_the_same_spread_is_gaussian_and_belongs_to_its_seed():
    images = np.zeros((6, 2, 20, 40, 50), np.float32)
    steps = [(("gaussian_noise", seed),) for seed in (1, 2, 3, 4, 5, 1)]
    expected, changed = run_both(images, steps)
    np.testing.assert_allclose(changed.std(axis=(2, 3, 4)), expected.std(axis=(2, 3, 4)), rtol=0.02)
    scaled = changed / changed.std(axis=(2, 3, 4), keepdims=True)
    np.testing.assert_allclose([np.mean(np.abs(scaled) < k) for k in (1, 2, 3)], [0.6827, 0.9545, 0.9973], atol=0.002)
    np.testing.assert_array_equal(changed[0], changed[5])
    assert np.abs(np.corrcoef(scaled[:5].reshape(10, -1)) - np.eye(10)).max() < 0.03


def test_a_constant_image_stays_finite():
    steps = [tuple((name, 3) for name in INTENSITY_TRANSFORMS)]
    _, changed = run_both(np.full((1, 1, 10, 16, 24), 3.0, np.float32), steps)
    assert np.isfinite(changed).all()
    always = STRONG.model_copy(update={"gamma": Transform(probability=1, range=(2.0, 2.0))})
    expected, changed = run_both(np.full((1, 1, 10, 16, 24), 3.0, np.float32), [(("gamma", 3),)], always)
    np.testing.assert_allclose(changed, expected, atol=TOLERANCE)
