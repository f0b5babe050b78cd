"""Whoever augments, a seed means the same batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from autoseg.planning.choices import Corruption, Transform
from autoseg.planning.rules.augmentation import decide_augmentation
from autoseg.preprocessing.label_maps import write_labels
from autoseg.preprocessing.preprocess import Placement, Prepared
from autoseg.preprocessing.store import write_case
from autoseg.training.batches import BatchMaker, PreviousSegmentations
from autoseg.training.device_augmentation import finish

CPU = torch.device("cpu")
SHAPE = (24, 40, 48)
CORRUPTION = Corruption(
    borders=Transform(probability=1, range=(1, 2)), components=Transform(probability=0.5, range=(0, 0.15))
)
SOURCE = """
def mark(image, segmentation, rng):
    image[0] = segmentation + rng.random()
    return image, segmentation
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two cases of smooth noise with two labels, and a previous segmentation of each."""
    folder = tmp_path_factory.mktemp("store")
    for index, case_id in enumerate("ab"):
        rng = np.random.default_rng(index)
        image = np.stack([gaussian_filter(rng.normal(size=SHAPE), 1) * 5 for _ in range(2)]).astype(np.float32)
        segmentation = np.digitize(gaussian_filter(rng.normal(size=SHAPE), 2), [0.02, 0.08]).astype(np.int16)
        box = tuple((0, n) for n in SHAPE)
        placement = Placement(original_shape=SHAPE, box=box, axis_order=(0, 1, 2), network_shape=SHAPE)
        write_case(folder, case_id, Prepared(image, segmentation, (3.0, 1.0, 0.5), placement), source="test")
        write_labels(folder / f"{case_id}.previous.b2nd", segmentation)
    return folder


def make_maker(folder, patch_size=(10, 16, 20), *, preset="strong", **changed):
    augmentation = decide_augmentation(patch_size=patch_size, preset=preset).value
    quiet = augmentation.gaussian_noise.model_copy(update={"probability": 0.0})
    usual = {
        "folder": folder,
        "case_ids": ("a", "b"),
        "patch_size": patch_size,
        "batch_size": 6,
        "foreground_share": 1 / 3,
        "augmentation": augmentation.model_copy(update={"gaussian_noise": quiet}),
        "mirroring_axes": tuple(range(len(patch_size))),
        "seed": 3,
        "annotated": {"a": (True, False)},
        "previous": PreviousSegmentations({c: folder / f"{c}.previous.b2nd" for c in "ab"}, 3, CORRUPTION),
    }
    return BatchMaker(**{**usual, **changed})


def run_both(maker, iteration):
    return maker.make_finished(iteration), finish(maker.make_raw(iteration), maker.augmentation, maker.patch_size, CPU)


@pytest.mark.parametrize("patch_size", [(10, 16, 20), (6, 16, 20), (16, 20), (16, 30)])
def test_a_seed_means_the_same_batch_to_both_engines(folder, patch_size):
    maker = make_maker(folder, patch_size)
    for iteration in range(4):
        expected, tensors = run_both(maker, iteration)
        np.testing.assert_allclose(tensors.image.numpy(), expected.image, atol=2e-3)
        assert np.mean(tensors.segmentation.numpy() != expected.segmentation) < 0.001
        np.testing.assert_array_equal(tensors.previous.numpy(), expected.previous)


@pytest.mark.parametrize("maker_changes", [{"augmentation": None}, {"preset": "off"}])
def test_patches_that_are_not_varied_are_what_was_read(folder, maker_changes):
    expected, tensors = run_both(make_maker(folder, **maker_changes), 1)
    np.testing.assert_array_equal(tensors.image.numpy(), expected.image)
    np.testing.assert_array_equal(tensors.segmentation.numpy(), expected.segmentation)


def test_tensors_have_the_promised_types_and_no_gradient(folder):
    _, tensors = run_both(make_maker(folder), 0)
    assert (tensors.image.dtype, tensors.image.shape) == (torch.float32, (6, 2, 10, 16, 20))
    assert (tensors.segmentation.dtype, tensors.previous.dtype) == (torch.int64, torch.int64)
    assert not tensors.image.requires_grad
    _, alone = run_both(make_maker(folder, previous=None, annotated={}), 0)
    assert alone.previous is None


def test_precision_of_the_training_does_not_touch_augmentation(folder):
    maker = make_maker(folder)
    raw = maker.make_raw(0)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = finish(raw, maker.augmentation, maker.patch_size, CPU)
    assert torch.equal(mixed.image, finish(raw, maker.augmentation, maker.patch_size, CPU).image)


@pytest.mark.parametrize("cascades", [False, True])
def test_custom_transforms_come_last_in_both_engines(folder, tmp_path, monkeypatch, cascades):
    (tmp_path / "own_marks.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    maker = make_maker(folder) if cascades else make_maker(folder, previous=None)
    own = maker.augmentation.model_copy(update={"custom": ("own_marks:mark",)})
    maker = make_maker(folder, augmentation=own, previous=maker.previous)
    expected, tensors = run_both(maker, 2)
    np.testing.assert_allclose(tensors.image.numpy(), expected.image, atol=2e-3)
    added = expected.image[:, 0] - expected.segmentation
    np.testing.assert_allclose(added, np.broadcast_to(added[:, :1, :1, :1], added.shape), atol=1e-5)
    assert len(np.unique(added[:, 0, 0, 0])) == 6
    if cascades:
        np.testing.assert_array_equal(tensors.previous.numpy(), expected.previous)
