"""The same batches whoever makes them, and workers that never outlive or outwait their stream."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from autoseg.errors import ResourceError, UsageError, WorkspaceError
from autoseg.planning.plan import Augmentation, Transform
from autoseg.preprocessing.preprocess import Placement, Prepared
from autoseg.preprocessing.store import write_case
from autoseg.training import batches as batches_module
from autoseg.training.batches import BatchMaker, BatchStream

REPOSITORY = Path(__file__).resolve().parents[2]
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


def take(maker, n, *, start=0, n_workers=0, n_ahead=3):
    with BatchStream(maker, start=start, n_workers=n_workers, n_ahead=n_ahead) as batches:
        return [next(batches) for _ in range(n)]


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


def test_the_number_of_workers_changes_nothing(folder):
    maker = make_maker(folder)
    expected = [maker.make(iteration) for iteration in range(4, 10)]
    for n_workers in (0, 1, 2):
        assert_equal(take(maker, 6, start=4, n_workers=n_workers), expected)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5])
def test_the_realised_foreground_share_is_the_asked_one(folder, batch_size):
    maker = make_maker(folder, augmentation=None, batch_size=batch_size, patch_size=(2, 2, 2))
    places = [place for iteration in range(-(-200 // batch_size)) for place in maker.make(iteration).places]
    assert np.mean([place.label is not None for place in places]) == pytest.approx(1 / 3, abs=0.01)


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


def test_no_cases_is_an_error_at_once(folder):
    with pytest.raises(UsageError, match="at least one case"):
        make_maker(folder, case_ids=())


@pytest.mark.parametrize("n_workers", [0, 1])
def test_a_missing_case_is_named_where_its_batch_is_due(folder, n_workers):
    with pytest.raises(WorkspaceError, match="nowhere"):
        take(make_maker(folder, case_ids=("nowhere",)), 1, n_workers=n_workers)


def find_workers():
    """Process ids of this process' loky workers."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
            command = status.with_name("cmdline").read_text()
        except OSError:
            continue
        if parent == os.getpid() and "popen_loky" in command:
            found.append(int(status.parent.name))
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes in /proc")


@needs_proc
def test_leaving_ends_the_workers_and_waiting_is_measured(folder):
    with BatchStream(make_maker(folder), start=0, n_workers=2, n_ahead=8) as batches:
        next(batches)
        assert len(find_workers()) == 2
        assert batches.waited_s > 0
    assert find_workers() == []


@needs_proc
def test_leaving_ends_the_workers_without_psutil_and_pgrep(folder, monkeypatch):
    monkeypatch.setattr(batches_module, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    take(make_maker(folder), 1, n_workers=1)
    assert find_workers() == []


@needs_proc
def test_an_interrupt_ends_the_workers(folder):
    def consume():
        with BatchStream(make_maker(folder), start=0, n_workers=1, n_ahead=8) as batches:
            next(batches)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert find_workers() == []


@needs_proc
def test_a_dead_worker_is_an_error_that_names_the_iteration(folder):
    with BatchStream(make_maker(folder), start=10, n_workers=1, n_ahead=2) as batches:
        next(batches)
        os.kill(find_workers()[0], signal.SIGKILL)
        with pytest.raises(ResourceError, match=r"Batch 1\d was not made: a worker process gave up"):
            [next(batches) for _ in range(10)]


@needs_proc
def test_workers_end_with_a_parent_that_is_killed_and_load_no_torch(folder):
    script = f"""
        import sys
        sys.path[:0] = [{str(REPOSITORY)!r}, {str(Path(__file__).parent)!r}]
        from pathlib import Path
        from test_batches import BatchStream, find_workers, make_maker
        assert "torch" not in sys.modules
        with BatchStream(make_maker(Path({str(folder)!r})), start=0, n_workers=1, n_ahead=2) as batches:
            next(batches)
            print(*find_workers(), flush=True)
            sys.stdin.read()
    """
    code = textwrap.dedent(script)
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    mapped = Path(f"/proc/{worker}/maps").read_text()
    parent.kill()
    parent.communicate()
    assert "libtorch" not in mapped
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()
