"""Restoring in slabs against the dense computation, and the way to the network grid and back."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from autoseg.data.labels import Region
from autoseg.decision import fixed
from autoseg.errors import UsageError
from autoseg.planning.choices import Resampling
from autoseg.planning.plan import ChannelPlan, Configuration, Plan
from autoseg.prediction.memory.spilled import make_zeros
from autoseg.prediction.restoring.labels_from_logits import find_largest, paint_regions
from autoseg.prediction.restoring.pieces import split_into_blocks
from autoseg.prediction.restoring.restore import Member, restore, segment_on_grid, view_crop
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


class Kept:
    """A sink that remembers every voxel of the crop, and that it was written once."""

    def __init__(self, member: Member) -> None:
        self.probabilities = np.full((member.n_outputs, *member.placement.cropped_shape), np.nan, dtype=np.float32)

    def write(self, rows, block) -> None:
        place = (slice(None), *rows)
        assert np.isnan(self.probabilities[place]).all()
        self.probabilities[place] = block


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=0))
    return powers / powers.sum(axis=0)


@pytest.mark.parametrize("slab_bytes", [1, 20_000, 60_000, 2**28])
@pytest.mark.parametrize("separate_axis", [None, 0, 2])
def test_one_member_equals_the_dense_argmax(slab_bytes, separate_axis):
    member = make_member(separate_axis=separate_axis)
    dense = resample_densely(member).argmax(axis=0)
    restored = restore([member], slab_bytes=slab_bytes)
    np.testing.assert_array_equal(restored.segmentation, put_back(dense))
    assert restored.segmentation.dtype == np.int16
    assert restored.entropy is None
    assert restored.softness is None


@pytest.mark.parametrize(("logits_axis", "axis"), [("same", 0), ("none", None), (1, 1), (2, 2)])
def test_logits_go_back_by_the_axis_of_the_way_back(logits_axis, axis):
    member = make_member(separate_axis=0)
    member = replace(member, placement=member.placement.model_copy(update={"logits_axis": logits_axis}))
    shape = member.placement.cropped_shape
    dense = np.stack([resample(label, shape, 1, separate_axis=axis) for label in member.logits]).argmax(axis=0)
    np.testing.assert_array_equal(restore([member]).segmentation, put_back(dense))


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
    kept = Kept(member)
    restored = restore([member], probabilities=kept, slab_bytes=50_000)
    np.testing.assert_allclose(kept.probabilities, softmax(resample_densely(member)), atol=1e-6)
    np.testing.assert_allclose(kept.probabilities.sum(axis=0), 1, atol=1e-6)
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
    kept = Kept(members[0])
    restored = restore(members, slab_bytes=slab_bytes, probabilities=kept)
    np.testing.assert_array_equal(restored.segmentation, put_back(paint_densely(mean > 0.5)))
    np.testing.assert_allclose(kept.probabilities, mean, atol=1e-6)


def test_probabilities_of_regions_are_kept_without_changing_the_segmentation():
    member = make_regional()
    member.logits[:, ::2] = 1e-9  # above 0, though a probability in float32 is exactly one half
    restored = restore([member], probabilities=Kept(member))
    np.testing.assert_array_equal(restored.segmentation, restore([member]).segmentation)


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


def make_smooth(n_labels: int = 12, seed: int = 0, shape=(20, 21, 30), scale: float = 20.0) -> Member:
    """Organs of some voxels and clear edges: in most pieces only few labels are left over."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(n_labels, 4, 4, 5)).astype(np.float32) * scale
    placement = PLACEMENT.model_copy(update={"network_shape": shape})
    return Member(np.stack([resample(label, shape, 3) for label in coarse]), placement, Resampling())


def measure_densely(mean: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Entropy (crop) and the sums (3, K) of probabilities of labels, in float64."""
    entropy = -(mean * np.log(np.maximum(mean, 1e-300))).sum(axis=0) / np.log(len(mean))
    given = np.stack([chosen == label for label in range(len(mean))])
    return entropy, np.stack([values.sum(axis=(1, 2, 3)) for values in (given, mean * given, mean)])


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("scale", [1.0, 20.0, 500.0])
def test_labels_that_cannot_win_are_left_out_without_a_trace(n_members, scale):
    members = [make_smooth(seed=seed, scale=scale) for seed in range(n_members)]
    dense = np.mean([softmax(resample_densely(member)) for member in members], axis=0)
    restored = restore(members, entropy=True, softness=True)
    chosen = view_crop(restored.segmentation, PLACEMENT)
    chance = np.take_along_axis(dense, chosen[None].astype(int), axis=0)[0]
    assert (dense.max(axis=0) - chance).max() < 1e-6  # float32 knows no difference where two members are both certain
    entropy, sums = measure_densely(dense, chosen)
    assert n_members == 2 or (chosen == dense.argmax(axis=0)).all()
    np.testing.assert_allclose(restored.entropy / 255, put_back(entropy), atol=1 / 500)
    measured = [restored.softness.n_predicted, restored.softness.inside, restored.softness.total]
    np.testing.assert_allclose(measured, sums, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("orders", [(0, 0), (1, 1), (3, 0), (3, 1)])
@pytest.mark.parametrize("separate_axis", [None, 1])
def test_every_order_equals_the_dense_argmax(orders, separate_axis):
    """A spline of order 3 overshoots: a label may win that is nowhere the largest on the network grid."""
    member = make_smooth(scale=3.0)
    placement = member.placement.model_copy(update={"separate_axis": separate_axis})
    resampling = Resampling(logits_order=orders[0], separate_order=orders[1])
    member = replace(member, placement=placement, resampling=resampling)
    maps = member.compute_matrices()
    dense = np.stack([np.einsum("ai,bj,ck,ijk", *maps, label, optimize=True) for label in member.logits])
    np.testing.assert_array_equal(restore([member]).segmentation, put_back(dense.argmax(axis=0)))


def test_a_label_that_is_nowhere_the_largest_may_win_between():
    logits = np.zeros((3, 2, 2, 2), dtype=np.float32)
    logits[0, :, :, 0], logits[2, :, :, 1], logits[1] = 10, 10, 6
    placement = Placement(original_shape=(2, 2, 9), box=((0, 2), (0, 2), (0, 9)), axis_order=(0, 1, 2),
                          network_shape=(2, 2, 2))  # fmt: skip
    segmentation = restore([Member(logits, placement, Resampling())]).segmentation
    assert segmentation[0, 0].tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("slab_bytes", [1, 2**28])
def test_softness_and_entropy_of_regions(slab_bytes):
    members = [make_regional(1), make_regional(2, (9, 30, 20))]
    mean = np.mean([1 / (1 + np.exp(-resample_densely(member).astype(np.float64))) for member in members], axis=0)
    painted = paint_densely(mean > 0.5)
    restored = restore(members, entropy=True, softness=True, slab_bytes=slab_bytes)
    binary = -(mean * np.log2(mean) + (1 - mean) * np.log2(1 - mean))
    np.testing.assert_allclose(restored.entropy / 255, put_back(binary.max(axis=0)), atol=1 / 500)
    given = [np.isin(painted, region.labels) for region in NESTED]
    assert restored.softness.n_predicted.tolist() == [mask.sum() for mask in given]
    np.testing.assert_allclose(restored.softness.inside, [mean[k][given[k]].sum() for k in range(3)], rtol=1e-5)
    np.testing.assert_allclose(restored.softness.total, mean.sum(axis=(1, 2, 3)), rtol=1e-5)


def test_memory_is_bounded_however_many_labels_there_are(tmp_path):
    """Traced allocations of numpy beside logits in a file and the result."""
    logits = make_zeros((60, 20, 40, 40), folder=tmp_path)
    logits[...] = np.random.default_rng(0).normal(size=logits.shape)
    placement = Placement(original_shape=(60, 80, 80), box=((0, 60), (0, 80), (0, 80)), axis_order=(0, 1, 2),
                          network_shape=(20, 40, 40))  # fmt: skip
    tracemalloc.start()
    segmentation = restore([Member(logits, placement, Resampling())], slab_bytes=2**22).segmentation
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < segmentation.nbytes + 2**22
