"""How is a training patch varied, so that a network meets more than the cases it has?

Source: Isensee et al., Nature Methods 2021 (method part 4): the published transforms in the published order, with the
probabilities and ranges of the plan. Intensities are changed by batchgenerators (Isensee et al., Zenodo 3632567), which
this module alone knows; `turning` rotates, scales and bends. Most patches are not turned: `draw_variation` says so
before a patch is read, so that only one that is turned reads a margin, and no more than it needs.

Drawing and applying are apart: a `Variation` is a frozen value, the same change of the same patch in every process.
Every transform has a seed of its own, so that changing one probability changes no other transform.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from batchgenerators.augmentations.color_augmentations import (
    augment_brightness_multiplicative,
    augment_contrast,
    augment_gamma,
)
from batchgenerators.augmentations.noise_augmentations import augment_gaussian_blur, augment_gaussian_noise
from batchgenerators.augmentations.resample_augmentations import augment_linear_downsampling_scipy

from autoseg.data.labels import LABEL_DTYPE
from autoseg.planning.choices import Augmentation, Transform
from autoseg.training.turning import Bend, Image, Segmentation, Shape, Turn, turn_image, turn_labels

LOW_RESOLUTION_ORDER = 1
"""Spline order on the way back from simulated low resolution: 5 ms, against 33 ms with order 3, for 40x56x40."""

SEED_RANGE = 2**32  # what numpy's global generator accepts


@dataclass(frozen=True)
class Variation:
    """What will be done to one patch.

    Attributes:
        turn: rotation, scaling and elastic deformation.
        intensity: (name, seed) of each intensity transform that applies, in order.
        mirrored_axes: axes of the patch that are flipped.
        custom_seed: of the user's own transforms; 0 where there are none.
    """

    turn: Turn
    intensity: tuple[tuple[str, int], ...] = ()
    mirrored_axes: Shape = ()
    custom_seed: int = 0


def draw_variation(
    rng: np.random.Generator, augmentation: Augmentation, *, n_dimensions: int, mirroring_axes: Shape
) -> Variation:
    """Draw what happens to one patch. Takes the same draws from `rng` whatever the probabilities are.

    Args:
        rng: the sample's own generator.
        augmentation: probabilities and ranges.
        n_dimensions: of the patch; 3 with `augmentation.in_plane` turns and scales the last two axes only.
        mirroring_axes: axes of the patch that may be flipped.
    """
    n_angles = 1 if augmentation.in_plane or n_dimensions == 2 else 3
    turned, angles = rng.random(), rng.uniform(*_find_range(augmentation.rotation_deg, 0.0), size=n_angles)
    scaled, scale = rng.random(), _draw_factor(rng, *_find_range(augmentation.scaling, 1.0))
    chances, seeds = rng.random(len(INTENSITY_TRANSFORMS)), rng.integers(SEED_RANGE, size=len(INTENSITY_TRANSFORMS))
    flips = rng.random(n_dimensions)
    bend, custom_seed = _draw_additions(rng, augmentation)
    return Variation(
        turn=Turn(
            tuple(angles.tolist()) if turned < augmentation.rotation_deg.probability else (0.0,) * n_angles,
            scale if scaled < augmentation.scaling.probability else 1.0,
            bend,
        ),
        intensity=tuple(
            (name, int(seed))
            for name, chance, seed in zip(INTENSITY_TRANSFORMS, chances, seeds, strict=True)
            if chance < getattr(augmentation, name).probability
        ),
        mirrored_axes=tuple(axis for axis in mirroring_axes if flips[axis] < augmentation.mirroring.probability),
        custom_seed=custom_seed,
    )


def _draw_additions(rng: np.random.Generator, augmentation: Augmentation) -> tuple[Bend | None, int]:
    """What the published transforms lack, from a generator beside `rng`: patches without it are what they were."""
    if augmentation.elastic.probability == 0.0 and not augmentation.custom:
        return None, 0
    beside = rng.spawn(1)[0]
    bent, magnitude = beside.random(), beside.uniform(*_find_range(augmentation.elastic, 0.0))
    bend_seed, custom_seed = beside.integers(SEED_RANGE, size=2).tolist()
    bend = Bend(bend_seed, magnitude) if bent < augmentation.elastic.probability and magnitude > 0.0 else None
    return bend, custom_seed if augmentation.custom else 0


def augment(
    image: Image, segmentation: Segmentation, augmentation: Augmentation, variation: Variation, *, patch_size: Shape
) -> tuple[Image, Segmentation]:
    """Apply a variation to a patch that was read with `compute_margin(patch_size, variation.turn)` around it.

    Args:
        image: float32 (C, *source): patch plus margin.
        segmentation: integer (..., *source) with labels and `IGNORED`; leading axes hold several maps of one patch.
        augmentation: the ranges that strengths are drawn from.
        variation: what to do.
        patch_size: shape of the result.

    Returns:
        New arrays: float32 (C, *patch) and int16 (..., *patch).
    """
    if variation.turn.moves:
        image = turn_image(image, variation.turn, patch_size)
    elif variation.intensity:
        image = image.copy()
    still_axes = find_still_axes(patch_size, in_plane=augmentation.in_plane)
    for name, seed in variation.intensity:
        with _global_randomness(seed):
            image = INTENSITY_TRANSFORMS[name](image, getattr(augmentation, name), still_axes)
    image = np.flip(image, tuple(axis + 1 for axis in variation.mirrored_axes))
    labels = augment_labels(segmentation, variation, patch_size=patch_size)
    return np.array(image, dtype=np.float32, order="C"), labels


def augment_labels(segmentation: Segmentation, variation: Variation, *, patch_size: Shape) -> Segmentation:
    """Apply a variation to label maps (..., *source) alone, see `augment`: a new array int16 (..., *patch)."""
    if variation.turn.moves:
        segmentation = turn_labels(segmentation, variation.turn, patch_size)
    flipped = np.flip(segmentation, tuple(axis - len(patch_size) for axis in variation.mirrored_axes))
    return np.array(flipped, dtype=LABEL_DTYPE, order="C")


def _add_noise(image: Image, transform: Transform, still_axes: Shape) -> Image:
    changed: Image = augment_gaussian_noise(
        image, _find_range(transform, 0.0), p_per_channel=transform.probability_per_channel
    )
    return changed


def _blur(image: Image, transform: Transform, still_axes: Shape) -> Image:
    changed: Image = augment_gaussian_blur(
        image, _find_range(transform, 0.0), p_per_channel=transform.probability_per_channel
    )
    return changed


def _brighten(image: Image, transform: Transform, still_axes: Shape) -> Image:
    changed: Image = augment_brightness_multiplicative(image, _find_range(transform, 1.0))
    return changed


def _change_contrast(image: Image, transform: Transform, still_axes: Shape) -> Image:
    changed: Image = augment_contrast(
        image, _find_range(transform, 1.0), p_per_channel=transform.probability_per_channel
    )
    return changed


def _lower_resolution(image: Image, transform: Transform, still_axes: Shape) -> Image:
    changed: Image = augment_linear_downsampling_scipy(
        image,
        _find_range(transform, 1.0),
        p_per_channel=transform.probability_per_channel,
        order_downsample=0,
        order_upsample=LOW_RESOLUTION_ORDER,
        ignore_axes=still_axes,
    )
    return changed


def _change_gamma(image: Image, transform: Transform, still_axes: Shape) -> Image:
    changed: Image = augment_gamma(image, _find_range(transform, 1.0), per_channel=True, retain_stats=True)
    return changed


def _change_inverted_gamma(image: Image, transform: Transform, still_axes: Shape) -> Image:
    changed: Image = augment_gamma(
        image, _find_range(transform, 1.0), invert_image=True, per_channel=True, retain_stats=True
    )
    return changed


INTENSITY_TRANSFORMS: dict[str, Callable[[Image, Transform, Shape], Image]] = {
    "gaussian_noise": _add_noise,
    "gaussian_blur": _blur,
    "brightness": _brighten,
    "contrast": _change_contrast,
    "low_resolution": _lower_resolution,
    "inverted_gamma": _change_inverted_gamma,
    "gamma": _change_gamma,
}
"""In the published order: name in the plan -> change of an image (C, *patch), which may be made in place."""


def find_still_axes(patch_size: Shape, *, in_plane: bool) -> Shape:
    """Axes of a patch that lose no resolution: the one across the planes of a flat patch, and those of one voxel."""
    flat = in_plane and len(patch_size) == 3
    return tuple(axis for axis, n in enumerate(patch_size) if n == 1 or (flat and axis == 0))


def _find_range(transform: Transform, neutral: float) -> tuple[float, float]:
    return transform.range or (neutral, neutral)


def _draw_factor(rng: np.random.Generator, low: float, high: float) -> float:
    """A factor that is below 1 as often as above, as batchgenerators draws them."""
    shrinks, position = rng.random() < 0.5, rng.random()
    if low < 1.0 < high:
        low, high = (low, 1.0) if shrinks else (1.0, high)
    return low + (high - low) * position


@contextmanager
def _global_randomness(seed: int) -> Iterator[None]:
    """Seed what batchgenerators draws from, numpy's and Python's global generators; give them back as they were."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
