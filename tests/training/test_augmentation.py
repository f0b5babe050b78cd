"""What each transform does, and that a variation does the same thing everywhere."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from autoseg.data.labels import IGNORED
from autoseg.planning.choices import Augmentation, Transform
from autoseg.training.augmentation import INTENSITY_TRANSFORMS, Variation, augment, draw_variation
from autoseg.training.turning import Bend, Turn, compute_margin

PATCH = (10, 16, 24)
STILL = Turn((0.0, 0.0, 0.0))
PUBLISHED = Augmentation(
    in_plane=False,
    rotation_deg=Transform(probability=0.2, range=(-30, 30)),
    scaling=Transform(probability=0.2, range=(0.7, 1.4)),
    gaussian_noise=Transform(probability=0.1, range=(0, 0.1)),
    gaussian_blur=Transform(probability=0.2, range=(0.5, 1), probability_per_channel=0.5),
    brightness=Transform(probability=0.15, range=(0.75, 1.25)),
    contrast=Transform(probability=0.15, range=(0.75, 1.25)),
    low_resolution=Transform(probability=0.25, range=(0.5, 1), probability_per_channel=0.5),
    inverted_gamma=Transform(probability=0.1, range=(0.7, 1.5)),
    gamma=Transform(probability=0.3, range=(0.7, 1.5)),
    mirroring=Transform(probability=0.5),
)
NAMES = [name for name in Augmentation.model_fields if name not in ("in_plane", "elastic", "custom")]
ELASTIC = Transform(probability=0.3, range=(1, 4))


def change(**changed) -> Augmentation:
    return PUBLISHED.model_copy(update=changed)


def with_probability(probability: float) -> Augmentation:
    parts = {name: getattr(PUBLISHED, name).model_copy(update={"probability": probability}) for name in NAMES}
    return change(**parts)


def make_patch(n_channels=2, shape=PATCH, seed=0):
    rng = np.random.default_rng(seed)
    image = np.stack([gaussian_filter(rng.normal(size=shape), 1) for _ in range(n_channels)]).astype(np.float32)
    return image * 5, rng.integers(-1, 3, size=shape).astype(np.int16)


def draw(augmentation, seed, n_dimensions=3, axes=(0, 1, 2)):
    return draw_variation(np.random.default_rng(seed), augmentation, n_dimensions=n_dimensions, mirroring_axes=axes)


def apply(name, image, seed=1, augmentation=PUBLISHED):
    segmentation = np.zeros(image.shape[1:], np.int16)
    variation = Variation(STILL, ((name, seed),))
    return augment(image, segmentation, augmentation, variation, patch_size=image.shape[1:])[0]


def run(augmentation, seed, n_dimensions=3):
    patch = PATCH[-n_dimensions:]
    variation = draw(augmentation, seed, n_dimensions, tuple(range(n_dimensions)))
    source = tuple(n + 2 * m for n, m in zip(patch, compute_margin(patch, variation.turn), strict=True))
    image, segmentation = make_patch(shape=source, seed=seed)
    return augment(image, segmentation, augmentation, variation, patch_size=patch)


def test_transforms_come_in_the_published_order():
    assert ["rotation_deg", "scaling", *INTENSITY_TRANSFORMS, "mirroring"] == NAMES


def test_nothing_changes_where_all_probabilities_are_zero():
    variation = draw(with_probability(0.0), 0)
    assert variation == Variation(STILL)
    image, segmentation = make_patch()
    result = augment(image, segmentation, PUBLISHED, variation, patch_size=PATCH)
    np.testing.assert_array_equal(result[0], image)
    np.testing.assert_array_equal(result[1], segmentation)


def test_every_transform_applies_where_all_probabilities_are_one():
    variation = draw(with_probability(1.0), 0)
    assert [name for name, _ in variation.intensity] == list(INTENSITY_TRANSFORMS)
    assert variation.mirrored_axes == (0, 1, 2)
    assert variation.turn.moves


@pytest.mark.parametrize("name", NAMES)
def test_transforms_are_drawn_as_often_as_the_plan_says(name):
    drawn = [draw(PUBLISHED, seed) for seed in range(3000)]
    happened = {
        "rotation_deg": lambda v: any(v.turn.angles_deg),
        "scaling": lambda v: v.turn.scale != 1,
        "mirroring": lambda v: 1 in v.mirrored_axes,
    }.get(name, lambda v: name in dict(v.intensity))
    share = np.mean([happened(variation) for variation in drawn])
    assert share == pytest.approx(getattr(PUBLISHED, name).probability, abs=0.03)


def test_angles_and_scales_fill_their_ranges():
    drawn = [draw(with_probability(1.0), seed).turn for seed in range(1000)]
    angles, scales = np.array([turn.angles_deg for turn in drawn]), np.array([turn.scale for turn in drawn])
    assert np.all(np.abs(angles) <= 30)
    assert np.all(np.ptp(angles, axis=0) > 55)
    assert 0.7 <= scales.min() < 0.75 < 1.35 < scales.max() <= 1.4
    assert np.mean(scales < 1) == pytest.approx(0.5, abs=0.05)


def test_one_probability_changes_no_other_transform():
    for seed in range(50):
        usual, quiet = draw(PUBLISHED, seed), draw(change(gaussian_noise=Transform(probability=0.0)), seed)
        assert quiet.turn == usual.turn
        assert quiet.mirrored_axes == usual.mirrored_axes
        assert quiet.intensity == tuple(step for step in usual.intensity if step[0] != "gaussian_noise")


def test_a_flat_patch_is_turned_within_its_plane_only():
    turn = draw(with_probability(1.0).model_copy(update={"in_plane": True}), 0).turn
    assert len(turn.angles_deg) == 1
    assert len(draw(with_probability(1.0), 0, 2, (0, 1)).turn.angles_deg) == 1


@pytest.mark.parametrize("axes", [(0,), (2,), (0, 1), (0, 1, 2)])
def test_flips_keep_image_and_segmentation_together(axes):
    image, segmentation = make_patch()
    image[0] = segmentation
    flipped, labels = augment(image, segmentation, PUBLISHED, Variation(STILL, (), axes), patch_size=PATCH)
    np.testing.assert_array_equal(flipped[0], labels)
    np.testing.assert_array_equal(labels, np.flip(segmentation, axes))


def test_only_the_mirroring_axes_are_flipped():
    assert {axis for seed in range(100) for axis in draw(PUBLISHED, seed, axes=(0, 2)).mirrored_axes} == {0, 2}


def test_turning_keeps_image_and_segmentation_together():
    turn = Turn((20.0, -10.0, 5.0), 1.1)
    source = tuple(n + 2 * m for n, m in zip(PATCH, compute_margin(PATCH, turn), strict=True))
    segmentation = np.zeros(source, np.int16)
    segmentation[5:12, 8:20, 10:22] = 1
    image = segmentation[None].astype(np.float32)
    moved, labels = augment(image, segmentation, PUBLISHED, Variation(turn), patch_size=PATCH)
    np.testing.assert_array_equal(moved[0] > 0.501, labels * (moved[0] > 0.501))
    np.testing.assert_array_equal(moved[0] < 0.499, (1 - labels) * (moved[0] < 0.499))


def test_brightness_multiplies_each_channel_by_a_factor_within_the_range():
    image, _ = make_patch()
    factors = (apply("brightness", image) / image).reshape(2, -1)
    assert np.ptp(factors, axis=1).max() < 1e-4
    assert np.all((factors > 0.75) & (factors < 1.25))
    assert factors[0, 0] != pytest.approx(factors[1, 0])


def test_contrast_scales_about_the_mean_within_the_old_range():
    image, _ = make_patch(n_channels=1)
    changed = apply("contrast", image)
    inside = (changed > image.min()) & (changed < image.max()) & (np.abs(image - image.mean()) > 0.1)
    factors = ((changed - image.mean()) / (image - image.mean()))[inside]
    assert np.ptp(factors) < 1e-3
    assert 0.75 < factors[0] < 1.25
    assert changed.min() >= image.min()
    assert changed.max() <= image.max()


@pytest.mark.parametrize("name", ["gamma", "inverted_gamma"])
def test_gamma_keeps_order_mean_and_standard_deviation(name):
    image, _ = make_patch()
    changed = apply(name, image)
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), image.mean(axis=(1, 2, 3)), atol=1e-4)
    np.testing.assert_allclose(changed.std(axis=(1, 2, 3)), image.std(axis=(1, 2, 3)), rtol=1e-4)
    assert np.abs(changed - image).max() > 0.01
    order = np.argsort(image[0], axis=None)
    assert np.all(np.diff(changed[0].ravel()[order]) >= -1e-5)


def test_gamma_bends_the_dark_end_and_inverted_gamma_the_bright_end():
    ramp = np.linspace(0, 1, 1000, dtype=np.float32).reshape(1, 10, 10, 10)
    plain, inverted = (apply(name, ramp, seed=5).ravel() for name in ("gamma", "inverted_gamma"))
    np.testing.assert_allclose(plain - 0.5, 0.5 - inverted[::-1], atol=1e-4)


def test_noise_is_gaussian_with_a_spread_within_the_range():
    image = np.zeros((1, 30, 40, 20), dtype=np.float32)
    spreads = [apply("gaussian_noise", image, seed).std() for seed in range(30)]
    assert 0 < min(spreads) < 0.03 < 0.07 < max(spreads) < 0.102


def test_blur_is_a_gaussian_filter_with_sigma_within_the_range():
    point = np.zeros((1, 21, 21, 21), dtype=np.float32)
    point[0, 10, 10, 10] = 1
    always = change(gaussian_blur=Transform(probability=1, range=(0.75, 0.75)))
    expected = gaussian_filter(point[0], 0.75)
    np.testing.assert_allclose(apply("gaussian_blur", point, augmentation=always)[0], expected, atol=1e-6)


def test_blur_and_low_resolution_treat_channels_one_by_one():
    image, _ = make_patch(n_channels=4)
    for name in ("gaussian_blur", "low_resolution"):
        changed = [np.any(apply(name, image, seed) != image, axis=(1, 2, 3)) for seed in range(40)]
        assert np.mean(changed) == pytest.approx(0.5, abs=0.15)


def test_low_resolution_leaves_the_axis_across_a_flat_patch_alone():
    stripes = np.broadcast_to(np.arange(10, dtype=np.float32)[:, None, None] % 2, (1, *PATCH)).copy()
    half = Transform(probability=1, range=(0.5, 0.5))
    flat = change(low_resolution=half, in_plane=True)
    np.testing.assert_allclose(apply("low_resolution", stripes, augmentation=flat), stripes, atol=1e-6)
    assert np.any(apply("low_resolution", stripes, augmentation=change(low_resolution=half)) != stripes)


@pytest.mark.parametrize("n_dimensions", [2, 3])
def test_results_have_the_right_shape_and_type_and_are_finite(n_dimensions):
    for seed in range(12):
        image, segmentation = run(with_probability(1.0), seed, n_dimensions)
        assert (image.dtype, segmentation.dtype) == (np.float32, np.int16)
        assert (image.shape, segmentation.shape) == ((2, *PATCH[-n_dimensions:]), PATCH[-n_dimensions:])
        assert np.isfinite(image).all()
        assert set(np.unique(segmentation)) <= {IGNORED, 0, 1, 2}
        assert image.flags.c_contiguous
        assert segmentation.flags.c_contiguous


def test_a_constant_image_stays_finite():
    variation = draw(with_probability(1.0), 4)
    source = tuple(n + 2 * m for n, m in zip(PATCH, compute_margin(PATCH, variation.turn), strict=True))
    constant = np.full((1, *source), 3.0, dtype=np.float32)
    image, _ = augment(constant, np.zeros(source, np.int16), PUBLISHED, variation, patch_size=PATCH)
    assert np.isfinite(image).all()


def test_the_same_seed_gives_the_same_patch_whatever_happened_before():
    first = run(with_probability(1.0), 7)
    np.random.seed(99)
    random.seed(99)
    second = run(with_probability(1.0), 7)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_global_random_states_and_the_given_arrays_are_left_as_they_were():
    image, segmentation = make_patch()
    before = (image.copy(), segmentation.copy(), random.getstate(), np.random.get_state()[1].copy())
    steps = tuple((name, 3) for name in INTENSITY_TRANSFORMS)
    augment(image, segmentation, PUBLISHED, Variation(STILL, steps, (0, 1)), patch_size=PATCH)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(segmentation, before[1])
    assert random.getstate() == before[2]
    np.testing.assert_array_equal(np.random.get_state()[1], before[3])


def test_a_bend_is_drawn_as_often_as_the_plan_says_and_changes_nothing_else():
    bent = change(elastic=ELASTIC)
    drawn = [(draw(bent, seed), draw(PUBLISHED, seed)) for seed in range(2000)]
    bends = [variation.turn.bend for variation, _ in drawn if variation.turn.bend is not None]
    assert len(bends) / 2000 == pytest.approx(0.3, abs=0.03)
    assert 1 <= min(bend.magnitude for bend in bends) < 1.2 < 3.8 < max(bend.magnitude for bend in bends) <= 4
    assert len({bend.seed for bend in bends}) == len(bends)
    assert all(replace(one, turn=replace(one.turn, bend=None)) == other for one, other in drawn)


@pytest.mark.parametrize("in_plane", [False, True])
def test_a_bend_takes_image_and_segmentation_along(in_plane):
    augmentation, turn = change(in_plane=in_plane), Turn((9.0,) if in_plane else (20.0, -10.0, 5.0), 1.1, Bend(3, 3.0))
    source = tuple(n + 2 * m for n, m in zip(PATCH, compute_margin(PATCH, turn), strict=True))
    segmentation = (gaussian_filter(np.random.default_rng(0).normal(size=source), 2) > 0).astype(np.int16)
    moved, labels = augment(segmentation[None] * 1.0, segmentation, augmentation, Variation(turn), patch_size=PATCH)
    clear = np.abs(moved[0] - 0.5) > 0.001
    np.testing.assert_array_equal(labels[clear], moved[0][clear] > 0.5)


def test_only_custom_transforms_need_a_seed():
    assert draw(PUBLISHED, 0).custom_seed == 0
    assert draw(change(custom=("a:b",)), 0).custom_seed != draw(change(custom=("a:b",)), 1).custom_seed
