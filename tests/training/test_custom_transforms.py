"""A user's own transforms: seeded, checked, last, and the same for the previous segmentation."""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.errors import PlanError
from autoseg.training.custom_transforms import apply_custom

PATCH = (3, 4, 5)
SOURCE = """
import numpy as np

def shift(image, segmentation, rng):
    step = int(rng.integers(1, 4))
    return np.roll(image, step, axis=3), np.roll(segmentation, step, axis=2)

def add(image, segmentation, rng):
    image += np.float32(rng.normal())
    return image, segmentation

def widen(image, segmentation, rng):
    return image.astype(np.float64), segmentation

def forget(image, segmentation, rng):
    return image
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "own_transforms.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)


def make_patch():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, *PATCH)).astype(np.float32), rng.integers(0, 3, size=(2, *PATCH)).astype(np.int16)


def test_transforms_follow_each_other_and_their_seed_alone():
    image, labels = make_patch()
    paths = ("own_transforms:shift", "own_transforms:add")
    first, maps = apply_custom(image, labels, paths, 5)
    again, _ = apply_custom(image, labels, paths, 5)
    np.testing.assert_array_equal(first, again)
    step = int(np.random.default_rng([5, 0]).integers(1, 4))
    added = np.float32(np.random.default_rng([5, 1]).normal())
    np.testing.assert_array_equal(first, np.roll(image, step, axis=3) + added)
    np.testing.assert_array_equal(maps, np.roll(labels, step, axis=3))


def test_the_given_arrays_are_left_as_they_were():
    image, labels = make_patch()
    before = image.copy()
    apply_custom(image, labels, ("own_transforms:add",), 1)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("name", "came"), [("widen", r"float64 \(2, 3, 4, 5\) and int16"), ("forget", r"returned float32 \(2, 3, 4, 5\)\.")]
)
def test_a_result_of_another_kind_is_named(name, came):
    with pytest.raises(PlanError, match=f"augmentation.custom: own_transforms:{name} .*float32 .* and int16 .*{came}"):
        apply_custom(*make_patch(), (f"own_transforms:{name}",), 0)


def test_a_missing_transform_is_named():
    with pytest.raises(PlanError, match=r"augmentation\.custom: own_transforms:swirl"):
        apply_custom(*make_patch(), ("own_transforms:swirl",), 0)
