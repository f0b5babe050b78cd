"""Restoring in slabs against the dense computation, and the way to the network grid and back."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from autoseg.data.labels import Region
from autoseg.decision import fixed
from autoseg.errors import UsageError
from autoseg.planning.choices import Resampling
from autoseg.planning.plan import ChannelPlan, Configuration, Plan
from autoseg.prediction.restoring import (
    Member,
    find_largest,
    paint_regions,
    restore,
    segment_on_grid,
    split_into_blocks,
)
from autoseg.preprocessing.preprocess import Placement, align, prepare
from autoseg.preprocessing.resampling import resample

NETWORK_SHAPE = (6, 21, 17)
PLACEMENT = Placement(
    original_shape=(40, 12, 33), box=((3, 38), (2, 11), (5, 29)), axis_order=(1, 2, 0), network_shape=NETWORK_SHAPE
)


def make_member(n_labels: int = 4, seed: int = 0, shape=NETWORK_SHAPE, separate_axis: int | None = None) -> Member:
    coarse = np.random.default_rng(seed).normal(size=(n_labels, *shape)).astype(np.float32)
    placement = PLACEMENT.model_copy(update={"network_shape": shape, "separate_axis": separate_axis})
    return Member(coarse * 3, placement, Resampling())


def resample_densely(member: Member) -> np.ndarray:
    """All labels at once, on the crop, in axis order."""
    axis = member.placement.separate_axis
    shape = member.placement.cropped_shape
    return np.stack([resample(label, shape, 1, separate_axis=axis) for label in member.logits])


def put_back(crop: np.ndarray) -> np.ndarray:
    """Axis order (y, x, z) back to (z, y, x), into the box, spelled out."""
    original = np.zeros((40, 12, 33), dtype=crop.dtype)
    original[3:38, 2:11, 5:29] = np.moveaxis(crop, (0, 1, 2), (1, 2, 0))
    return original


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=0)


@pytest.mark.parametrize("slab_bytes", [1, 20_000, 60_000, 2**28])
@pytest.mark.parametrize("separate_axis", [None, 0, 2])
def test_one_member_equals_the_dense_argmax(slab_bytes, separate_axis):
    member = make_member(separate_axis=separate_axis)
    dense = resample_densely(member).argmax(axis=0)
    restored = restore([member], slab_bytes=slab_bytes)
    np.testing.assert_array_equal(restored.segmentation, put_back(dense))
    assert restored.segmentation.dtype == np.int16
    assert restored.probabilities is None


@pytest.mark.parametrize("slab_bytes", [1, 60_000, 2**28])
def test_several_members_average_their_probabilities(slab_bytes):
    members = [make_member(seed=1), make_member(seed=2, shape=(9, 30, 20)), make_member(seed=3, shape=(9, 24, 35))]
    mean = np.mean([softmax(resample_densely(member)) for member in members], axis=0)
    restored = restore(members, slab_bytes=slab_bytes)
    np.testing.assert_array_equal(restored.segmentation, put_back(mean.argmax(axis=0)))


@pytest.mark.parametrize("slab_bytes", [1, 20_000, 2**28])
@pytest.mark.parametrize("separate_axis", [None, 0, 2])
def test_the_grid_of_a_cascade_is_reached_as_densely(slab_bytes, separate_axis):
    member, shape = make_member(separate_axis=1), (11, 30, 34)
    dense = np.stack([resample(label, shape, 1, separate_axis=separate_axis) for label in member.logits])
    segmentation = segment_on_grid(member, shape, separate_axis=separate_axis, slab_bytes=slab_bytes)
    np.testing.assert_array_equal(segmentation, dense.argmax(axis=0))
    assert segmentation.dtype == np.int16


def test_the_same_grid_needs_no_resampling():
    member = make_member()
    np.testing.assert_array_equal(segment_on_grid(member, NETWORK_SHAPE), member.logits.argmax(axis=0))


def test_probabilities_sum_to_one_and_agree_with_the_segmentation():
    member = make_member()
    restored = restore([member], keep_probabilities=True, slab_bytes=50_000)
    expected = np.stack([put_back(label) for label in softmax(resample_densely(member))])
    expected[0] += expected.sum(axis=0) == 0
    assert restored.probabilities.dtype == np.float16
    np.testing.assert_allclose(restored.probabilities, expected, atol=1e-3)
    np.testing.assert_allclose(restored.probabilities.sum(axis=0, dtype=np.float32), 1, atol=2e-3)
    np.testing.assert_array_equal(restored.segmentation, restore([member]).segmentation)


def test_many_labels_take_smaller_blocks():
    member = make_member(n_labels=120)
    dense = resample_densely(member).argmax(axis=0)
    np.testing.assert_array_equal(restore([member], slab_bytes=2**18).segmentation, put_back(dense))


@pytest.mark.parametrize("max_voxels", [0, 5, 40, 100, 10_000])
def test_blocks_cover_every_row_once_and_keep_to_the_limit(max_voxels):
    covered = np.zeros((5, 6, 7), dtype=int)
    for rows in split_into_blocks(covered.shape, max_voxels):
        covered[rows] += 1
        assert covered[rows].size <= max(max_voxels, 7)
    assert (covered == 1).all()


def test_equal_values_go_to_the_smaller_label():
    values = np.array([[0, 1, 2], [0, 3, 2], [-1, 3, 2.5]], dtype=np.float32)
    assert find_largest(values).tolist() == [0, 1, 2]


def test_members_of_different_crops_are_refused():
    other = replace(make_member(), placement=PLACEMENT.model_copy(update={"axis_order": (1, 0, 2)}))
    with pytest.raises(UsageError, match="same crop"):
        restore([make_member(), other])
    with pytest.raises(UsageError, match="same crop and labels"):
        restore([make_member(), make_member(n_labels=3)])


NESTED = (
    Region(name="whole", labels=(1, 2, 3), paints=2),
    Region(name="core", labels=(1, 3), paints=1),
    Region(name="enhancing", labels=(3,), paints=3),
)


def make_regional(seed: int = 0, shape=NETWORK_SHAPE) -> Member:
    return replace(make_member(3, seed, shape), regions=NESTED)


def paint_densely(are_inside: np.ndarray) -> np.ndarray:
    """Voxel by voxel: the last region that a voxel is in paints it."""
    paints = np.array([0, *(region.paints for region in NESTED)])
    last = [max((k + 1 for k in range(3) if voxel[k]), default=0) for voxel in are_inside.reshape(3, -1).T]
    return paints[last].reshape(are_inside.shape[1:])


@pytest.mark.parametrize("slab_bytes", [1, 20_000, 2**28])
def test_regions_are_painted_where_their_logit_is_positive(slab_bytes):
    dense = put_back(paint_densely(resample_densely(make_regional()) > 0))
    segmentation = restore([make_regional()], slab_bytes=slab_bytes).segmentation
    np.testing.assert_array_equal(segmentation, dense)
    assert segmentation.dtype == np.int16
    assert set(np.unique(segmentation)) == {0, 1, 2, 3}


@pytest.mark.parametrize("slab_bytes", [1, 2**28])
def test_an_ensemble_paints_where_the_mean_probability_of_a_region_exceeds_one_half(slab_bytes):
    members = [make_regional(1), make_regional(2, (9, 30, 20)), make_regional(3, (9, 24, 35))]
    each = [1 / (1 + np.exp(-resample_densely(member).astype(np.float64))) for member in members]
    mean = np.mean(each, axis=0)
    restored = restore(members, slab_bytes=slab_bytes, keep_probabilities=True)
    np.testing.assert_array_equal(restored.segmentation, put_back(paint_densely(mean > 0.5)))
    expected = np.stack([put_back(region) for region in mean])
    np.testing.assert_allclose(restored.probabilities, expected, atol=1e-3)


def test_probabilities_of_regions_are_kept_without_changing_the_segmentation():
    member = make_regional()
    member.logits[:, ::2] = 1e-9  # above 0, though a probability in float32 is exactly one half
    restored = restore([member], keep_probabilities=True)
    np.testing.assert_array_equal(restored.segmentation, restore([member]).segmentation)
    assert restored.probabilities[:, 0].max() == 0  # outside of the crop


def test_a_cascade_sees_painted_regions():
    member = make_regional()
    np.testing.assert_array_equal(segment_on_grid(member, NETWORK_SHAPE), paint_densely(member.logits > 0))


def test_regions_of_single_labels_are_painted_as_labels_are_chosen():
    """Logits of which at most one is positive, against the largest of them and a background of 0."""
    logits = np.random.default_rng(0).normal(size=(3, 4, 5, 6))
    logits[logits < logits.max(axis=0)] = -1
    regions = [Region(name=str(label), labels=(label,), paints=label) for label in (1, 2, 3)]
    with_background = np.concatenate([np.zeros((1, 4, 5, 6)), logits])
    np.testing.assert_array_equal(paint_regions(logits, regions, 0.0), find_largest(with_background))


def test_regions_and_labels_are_no_ensemble():
    with pytest.raises(UsageError, match="same crop and labels"):
        restore([make_regional(), make_member(n_labels=3)])


def make_blocks(block: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Labels in blocks of `block` voxels inside a border of zeros that differs on each of the six sides."""
    coarse = np.random.default_rng(0).integers(0, 4, size=(5, 6, 7))
    labels = coarse.repeat(block[0], 0).repeat(block[1], 1).repeat(block[2], 2)
    segmentation = np.pad(labels, ((1, 2), (3, 4), (5, 6))).astype(np.int16)
    image = np.pad(np.ones(labels.shape, dtype=np.float32), ((1, 2), (3, 4), (5, 6)))[None]
    return image, segmentation


@pytest.mark.parametrize("axis_order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize(
    ("block", "spacing_mm", "target_mm"),
    [
        ((1, 1, 1), (4.0, 1.0, 0.9), (4.0, 1.0, 0.9)),
        ((1, 4, 4), (1.5, 0.5, 0.5), (1.5, 1.0, 1.0)),
        ((2, 4, 6), (5.0, 0.5, 1.0), (5.0, 1.0, 2.0)),
        ((3, 2, 4), (1.0, 1.0, 1.0), (1.0, 0.5, 0.5)),
    ],
)
def test_a_segmentation_survives_the_way_there_and_back(axis_order, block, spacing_mm, target_mm):
    image, segmentation = make_blocks(block)
    channel = ChannelPlan(
        channel="a", scheme=fixed("none", ""), inside_mask=fixed(False, ""), intensities=fixed(None, "")
    )
    plan: Plan = SimpleNamespace(axis_order=fixed(axis_order, ""), normalization=(channel,))
    targets = fixed(tuple(target_mm[axis] for axis in axis_order), "")
    configuration: Configuration = SimpleNamespace(spacing_mm=targets, resampling=fixed(Resampling(), ""))
    prepared = prepare(align(image, segmentation, spacing_mm, plan), configuration)
    logits = np.stack([prepared.segmentation == label for label in range(4)]).astype(np.float32)
    restored = restore([Member(logits, prepared.placement, Resampling())], slab_bytes=10_000)
    np.testing.assert_array_equal(restored.segmentation, segmentation)
