"""Batches are a pure function of seed and iteration, cut and damaged as the plan says."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from autoseg.errors import UsageError
from autoseg.planning.choices import Augmentation, Corruption, Transform
from autoseg.preprocessing.label_maps import write_labels
from autoseg.preprocessing.preprocess import Placement, Prepared
from autoseg.preprocessing.store import open_case, write_case
from autoseg.training.batches import BatchMaker, PreviousSegmentations, RawBatch

SHAPE = (12, 20, 28)
PATCH = (8, 12, 16)
AUGMENTATION = Augmentation(
    in_plane=False,
    rotation_deg=Transform(probability=0.5, range=(-30, 30)),
    scaling=Transform(probability=0.5, range=(0.7, 1.4)),
    gaussian_noise=Transform(probability=0.5, range=(0, 0.1)),
    gaussian_blur=Transform(probability=0.5, range=(0.5, 1), probability_per_channel=0.5),
    brightness=Transform(probability=0.5, range=(0.75, 1.25)),
    contrast=Transform(probability=0.5, range=(0.75, 1.25)),
    low_resolution=Transform(probability=0.5, range=(0.5, 1), probability_per_channel=0.5),
    inverted_gamma=Transform(probability=0.5, range=(0.7, 1.5)),
    gamma=Transform(probability=0.5, range=(0.7, 1.5)),
    mirroring=Transform(probability=0.5),
)


def store_case(folder, case_id, segmentation, image=None):
    image = np.stack([segmentation, -segmentation]).astype(np.float32) if image is None else image
    shape = segmentation.shape
    placement = Placement(
        original_shape=shape, box=tuple((0, n) for n in shape), axis_order=(0, 1, 2), network_shape=shape
    )
    write_case(folder, case_id, Prepared(image, segmentation, (3.0, 1.0, 0.5), placement), source="test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three cases whose image says where it is: channel 0 counts the voxels; `empty` has no foreground."""
    folder = tmp_path_factory.mktemp("store")
    for index, case_id in enumerate(("a", "b", "empty")):
        segmentation = np.zeros(SHAPE, dtype=np.int16)
        segmentation[2 : 4 + index, 9:14, 20:26] = 0 if case_id == "empty" else 1
        segmentation[6, 4, 3 + index] = 0 if case_id == "empty" else 2
        count = np.arange(1.0, 1 + segmentation.size, dtype=np.float32).reshape(SHAPE)
        store_case(folder, case_id, segmentation, np.stack([count, count * (index + 1)]))
    return folder


def make_maker(folder, **changed) -> BatchMaker:
    usual = {
        "folder": folder,
        "case_ids": ("a", "b"),
        "patch_size": PATCH,
        "batch_size": 2,
        "foreground_share": 1 / 3,
        "augmentation": AUGMENTATION,
        "mirroring_axes": (0, 1, 2),
        "seed": 5,
    }
    return BatchMaker(**{**usual, **changed})


def assert_equal(one, other):
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left.image, right.image)
        np.testing.assert_array_equal(left.segmentation, right.segmentation)
        assert left.places == right.places


def test_a_batch_has_the_promised_shapes_and_types(folder):
    batch = make_maker(folder).make(0)
    assert (batch.image.shape, batch.image.dtype) == ((2, 2, *PATCH), np.float32)
    assert (batch.segmentation.shape, batch.segmentation.dtype) == ((2, *PATCH), np.int16)
    assert len(batch.places) == 2


def test_a_patch_without_augmentation_is_what_lies_at_its_place(folder):
    maker = make_maker(folder, augmentation=None)
    for iteration in range(5):
        batch = maker.make(iteration)
        for image, place in zip(batch.image, batch.places, strict=True):
            z, y, x = place.start
            assert image[0, 0, 0, 0] == 1 + (z * SHAPE[1] + y) * SHAPE[2] + x
            assert image[1, 2, 3, 4] == image[0, 2, 3, 4] * (1 + "ab".index(place.case_id))


def test_a_batch_depends_on_seed_and_iteration_alone(folder):
    maker = make_maker(folder)
    np.random.seed(1)
    first = maker.make(7)
    maker.make(3)
    assert_equal([first], [make_maker(folder).make(7)])
    assert not np.array_equal(first.image, maker.make(8).image)
    assert not np.array_equal(first.image, make_maker(folder, seed=6).make(7).image)


def test_batches_are_those_of_earlier_releases(folder):
    """Taken from the code of November 2026. Who changes these numbers changes what every seed means."""
    batch = make_maker(folder).make(0)
    assert [(place.case_id, place.start) for place in batch.places] == [("b", (4, 0, 10)), ("b", (3, 5, 5))]
    assert hashlib.sha256(batch.segmentation.astype("<i2").tobytes()).hexdigest()[:16] == "fd9243e1ba57263e"
    np.testing.assert_allclose(batch.image.mean(axis=(1, 2, 3, 4)), [7185.008, 5956.971], rtol=1e-4)
    np.testing.assert_allclose(batch.image.std(axis=(1, 2, 3, 4)), [3936.1104, 2683.366], rtol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("n_processes", [1, 2])
def test_the_realised_foreground_share_is_the_asked_one(folder, batch_size, n_processes):
    n_processes = min(n_processes, batch_size)
    changes = {"augmentation": None, "batch_size": batch_size, "patch_size": (2, 2, 2)}
    makers = [make_maker(folder, **changes, part=(rank, n_processes)) for rank in range(n_processes)]
    places = [place for i in range(-(-200 // batch_size)) for maker in makers for place in maker.make(i).places]
    assert np.mean([place.label is not None for place in places]) == pytest.approx(1 / 3, abs=0.01)


def test_the_parts_of_several_processes_are_the_batch(folder, files):
    changes = {
        "batch_size": 5,
        "previous": PreviousSegmentations(files, 3, CORRUPTION),
        "annotated": {"a": (True, False)},
    }
    whole = make_maker(folder, **changes).make(3)
    for rank in range(3):
        part = make_maker(folder, **changes, part=(rank, 3)).make(3)
        assert part.places == whole.places[rank::3]
        for name in ("image", "segmentation", "previous", "annotated"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rank::3])


def test_more_processes_than_samples_are_refused(folder):
    with pytest.raises(UsageError, match="3 processes share a batch of 2"):
        make_maker(folder, part=(0, 3))


def test_what_a_case_is_annotated_for_comes_with_its_patches(folder):
    maker = make_maker(folder, annotated={"b": (True, False, True)}, augmentation=None)
    for batch in map(maker.make, range(5)):
        expected = [[True, place.case_id != "b", True] for place in batch.places]
        np.testing.assert_array_equal(batch.annotated, expected)
    assert make_maker(folder).make(0).annotated is None


def test_case_sampling_is_obeyed_and_an_unknown_one_refused(folder):
    changes = {"case_ids": ("a", "b", "empty"), "augmentation": None, "case_sampling": "by_rare_label"}
    places = [p for i in range(60) for p in make_maker(folder, foreground_share=1.0, **changes).make(i).places]
    assert {place.case_id for place in places} == {"a", "b"}
    assert np.mean([place.label == 2 for place in places]) == pytest.approx(0.5, abs=0.15)
    with pytest.raises(UsageError, match="no case_sampling by_colour"):
        make_maker(folder, case_sampling="by_colour")


@pytest.mark.parametrize("patch_size", [PATCH, (12, 16)])
def test_a_raw_batch_is_the_same_samples_before_augmentation(folder, files, patch_size):
    changes = {"patch_size": patch_size, "mirroring_axes": (0, 1), "annotated": {"a": (True, False)}}
    maker = make_maker(folder, previous=PreviousSegmentations(files, 3, CORRUPTION), **changes, engine="device")
    for iteration in range(4):
        raw, finished = maker.make(iteration), maker.make_finished(iteration)
        assert isinstance(raw, RawBatch)
        assert raw.places == finished.places
        np.testing.assert_array_equal(raw.previous, finished.previous)
        np.testing.assert_array_equal(raw.annotated, finished.annotated)
        for image, segmentation, variation in zip(raw.images, raw.segmentations, raw.variations, strict=True):
            assert image.shape[1:] == segmentation.shape
            assert (segmentation.shape == patch_size) or variation.turn.moves


def test_a_sparse_case_gives_patches_with_supervision_only(tmp_path):
    segmentation = np.full((20, 40, 60), -1, dtype=np.int16)
    segmentation[3, 5:9, 7] = 0
    segmentation[16, 30, 50:55] = 1
    store_case(tmp_path, "sparse", segmentation)
    maker = make_maker(tmp_path, case_ids=("sparse",), augmentation=None)
    for batch in map(maker.make, range(20)):
        assert all((patch >= 0).any() for patch in batch.segmentation)


def test_a_bent_patch_reads_as_far_as_it_bends(tmp_path):
    store_case(tmp_path, "ones", np.ones((50, 60, 70), dtype=np.int16))
    bent = AUGMENTATION.model_copy(update={"elastic": Transform(probability=1, range=(4, 4))})
    maker = make_maker(tmp_path, case_ids=("ones",), augmentation=bent)
    for batch in map(maker.make, range(20)):
        inner = [
            place.start for place in batch.places if min(*place.start, *(np.array([42, 48, 54]) - place.start)) > 16
        ]
        assert not inner or batch.segmentation[[place.start in inner for place in batch.places]].min() == 1


def test_a_patch_centred_on_foreground_holds_its_label(folder):
    maker = make_maker(folder, augmentation=None, foreground_share=1.0)
    for batch in map(maker.make, range(10)):
        for segmentation, place in zip(batch.segmentation, batch.places, strict=True):
            assert place.label in segmentation


def test_a_case_without_foreground_gives_random_patches_and_says_so(folder):
    maker = make_maker(folder, case_ids=("empty",), foreground_share=1.0)
    places = [place for iteration in range(5) for place in maker.make(iteration).places]
    assert all(place.lacks_foreground for place in places)
    assert len({place.start for place in places}) > 5


def test_a_volume_smaller_than_the_patch_is_centred_in_zeros(folder):
    maker = make_maker(folder, augmentation=None, patch_size=(16, 12, 32), case_ids=("a",))
    batch = maker.make(0)
    inside = batch.image[:, 0] > 0
    assert not inside[:, :2].any()
    assert inside[:, 2:14, :, 2:30].all()
    assert not inside[..., 30:].any()
    assert not batch.segmentation[~inside].any()


def test_a_2d_patch_is_one_slice_of_the_case(folder):
    maker = make_maker(folder, augmentation=None, patch_size=(12, 16), mirroring_axes=(0, 1), foreground_share=1.0)
    batch = maker.make(2)
    assert (batch.image.shape, batch.segmentation.shape) == ((2, 2, 12, 16), (2, 12, 16))
    z, y, x = batch.places[0].start
    assert batch.image[0, 0, 0, 0] == 1 + (z * SHAPE[1] + y) * SHAPE[2] + x
    assert make_maker(folder, patch_size=(12, 16), mirroring_axes=(0, 1)).make(2).image.shape == (2, 2, 12, 16)


def test_augmentation_reads_around_the_patch(tmp_path):
    store_case(tmp_path, "ones", np.ones((50, 60, 70), dtype=np.int16))
    always = AUGMENTATION.model_copy(update={"rotation_deg": Transform(probability=1, range=(30, 30))})
    maker = make_maker(tmp_path, case_ids=("ones",), augmentation=always)
    valid = np.array([50, 60, 70]) - PATCH
    n_inner = 0
    for batch in map(maker.make, range(20)):
        for segmentation, place in zip(batch.segmentation, batch.places, strict=True):
            if np.all(np.minimum(place.start, valid - place.start) >= 8):
                n_inner += 1
                assert segmentation.min() == 1
    assert n_inner > 5


@pytest.fixture(scope="module")
def files(folder, tmp_path_factory):
    """Previous segmentations that are the references."""
    made = tmp_path_factory.mktemp("previous")
    for case_id in ("a", "b"):
        write_labels(made / f"{case_id}.b2nd", open_case(folder, case_id).segmentation[:])
    return {case_id: made / f"{case_id}.b2nd" for case_id in ("a", "b")}


CORRUPTION = Corruption(
    borders=Transform(probability=1, range=(1, 2)), components=Transform(probability=0.5, range=(0, 0.15))
)


@pytest.mark.parametrize("patch_size", [PATCH, (16, 12, 32), (12, 16)])
def test_a_previous_segmentation_goes_the_way_of_the_reference(folder, files, patch_size):
    changes = {"patch_size": patch_size, "mirroring_axes": (0, 1), "foreground_share": 1.0}
    maker = make_maker(folder, previous=PreviousSegmentations(files, 3), **changes)
    batches = [maker.make(iteration) for iteration in range(8)]
    assert sum(int(batch.previous.max() > 0) for batch in batches) > 4
    for batch in batches:
        np.testing.assert_array_equal(batch.previous, batch.segmentation)


def test_damage_changes_the_previous_segmentation_and_nothing_else(folder, files):
    plain = make_maker(folder, foreground_share=1.0)
    maker = make_maker(folder, foreground_share=1.0, previous=PreviousSegmentations(files, 3, CORRUPTION))
    n_changed = 0
    for iteration in range(6):
        damaged = maker.make(iteration)
        assert_equal([damaged], [plain.make(iteration)])
        n_changed += int(not np.array_equal(damaged.previous, damaged.segmentation))
    assert n_changed > 3


def test_a_case_without_a_previous_segmentation_is_named_at_once(folder, files):
    with pytest.raises(UsageError, match=r"but b has none \(1 of 2 cases\)"):
        make_maker(folder, previous=PreviousSegmentations({"a": files["a"]}, 3))


def test_no_cases_is_an_error_at_once(folder):
    with pytest.raises(UsageError, match="at least one case"):
        make_maker(folder, case_ids=())
