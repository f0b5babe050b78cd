"""The device turns, scales and bends as scipy does it for the workers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from autoseg.data.labels import IGNORED
from autoseg.training.device_turning import turn_on_device
from autoseg.training.turning import Bend, Turn, compute_margin, turn_patch

PATCH = (8, 24, 30)
TURNS = [
    (Turn((20.0, -10.0, 35.0), 1.3), PATCH),
    (Turn((20.0, -10.0, 35.0), 0.7, Bend(2, 4.0)), PATCH),
    (Turn((0.0, 0.0, 0.0), 1.0, Bend(2, 4.0)), (1, 24, 30)),
    (Turn((133.0,), 1.2), PATCH),
    (Turn((133.0,), 0.8, Bend(5, 3.0)), PATCH),
    (Turn((-50.0,), 1.2, Bend(5, 3.0)), PATCH[1:]),
]
IMAGE_TOLERANCE = 5e-5  # times the image's steepest slope: coordinates up to 50 in float32 are off by 4e-6 voxels


def make_source(turn, patch_size, n_labels=4):
    source = tuple(n + 2 * m for n, m in zip(patch_size, compute_margin(patch_size, turn), strict=True))
    rng = np.random.default_rng(0)
    image = np.stack([gaussian_filter(rng.normal(size=source), 1) for _ in range(2)]).astype(np.float32) * 5
    smooth = gaussian_filter(rng.normal(size=source), 1.5)
    labels = np.digitize(smooth, np.quantile(smooth, np.linspace(0, 1, n_labels + 1)[1:-1]))
    return image, (labels + IGNORED).astype(np.int16)


def turn_both(image, segmentation, turn, patch_size):
    moved, labels = turn_on_device(torch.from_numpy(image), torch.from_numpy(segmentation), turn, patch_size)
    return turn_patch(image, segmentation, turn, patch_size), (moved.numpy(), labels.numpy())


@pytest.mark.parametrize(("turn", "patch_size"), TURNS)
def test_image_and_segmentation_are_what_the_workers_make(turn, patch_size):
    image, segmentation = make_source(turn, patch_size)
    expected, moved = turn_both(image, segmentation, turn, patch_size)
    steepest = max(np.abs(np.diff(image, axis=axis)).max() for axis in range(1, image.ndim) if image.shape[axis] > 1)
    np.testing.assert_allclose(moved[0], expected[0], atol=IMAGE_TOLERANCE * steepest)
    assert set(np.unique(moved[1])) == {IGNORED, 0, 1, 2}
    assert np.mean(moved[1] != expected[1]) < 0.001


def test_what_lies_outside_the_source_is_its_border_and_background():
    turn, patch_size = Turn((40.0, 30.0, -20.0), 1.4), (10, 12, 14)
    image = np.random.default_rng(1).normal(size=(1, *patch_size)).astype(np.float32)
    segmentation = np.full(patch_size, 3, np.int16)
    expected, moved = turn_both(image, segmentation, turn, patch_size)
    assert set(np.unique(expected[1])) == {0, 3}
    np.testing.assert_array_equal(moved[1], expected[1])
    np.testing.assert_allclose(moved[0], expected[0], atol=2e-4)


def test_thin_labels_are_not_lost_to_a_hundred_others():
    turn = Turn((15.0, 5.0, -8.0), 0.9)
    image, _ = make_source(turn, PATCH)
    segmentation = np.random.default_rng(2).integers(0, 100, size=image.shape[1:]).astype(np.int16)
    expected, moved = turn_both(image, segmentation, turn, PATCH)
    assert len(np.unique(moved[1])) == 100
    assert np.mean(moved[1] != expected[1]) < 0.001
