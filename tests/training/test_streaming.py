"""The same batches however many make them, and workers that never outlive or outwait their stream."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoseg.errors import ResourceError, WorkspaceError
from autoseg.planning.choices import Corruption, Transform
from autoseg.planning.rules.augmentation import decide_augmentation
from autoseg.preprocessing.label_maps import write_labels
from autoseg.preprocessing.preprocess import Placement, Prepared
from autoseg.preprocessing.store import write_case
from autoseg.training import streaming
from autoseg.training.batches import BatchMaker, PreviousSegmentations
from autoseg.training.streaming import BatchStream

REPOSITORY = Path(__file__).resolve().parents[2]
SHAPE = (12, 20, 28)
PATCH = (8, 12, 16)
CORRUPTION = Corruption(
    borders=Transform(probability=1, range=(1, 2)), components=Transform(probability=0.5, range=(0, 0.15))
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One case of noise, with a label, and its previous segmentation beside it."""
    folder = tmp_path_factory.mktemp("store")
    segmentation = np.zeros(SHAPE, dtype=np.int16)
    segmentation[2:6, 9:14, 20:26] = 1
    box = tuple((0, n) for n in SHAPE)
    placement = Placement(original_shape=SHAPE, box=box, axis_order=(0, 1, 2), network_shape=SHAPE)
    image = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    write_case(folder, "a", Prepared(image, segmentation, (3.0, 1.0, 0.5), placement), source="test")
    write_labels(folder / "previous.b2nd", segmentation)
    return folder


def make_maker(folder, case_id="a") -> BatchMaker:
    return BatchMaker(
        folder=folder,
        case_ids=(case_id,),
        patch_size=PATCH,
        batch_size=2,
        foreground_share=1 / 2,
        augmentation=decide_augmentation(patch_size=PATCH).value,
        mirroring_axes=(0, 1, 2),
        seed=5,
        previous=PreviousSegmentations({case_id: folder / "previous.b2nd"}, 2, CORRUPTION),
    )


def take(maker, n, *, start=0, n_workers=0):
    with BatchStream(maker, start=start, n_workers=n_workers, n_ahead=3) as batches:
        return [next(batches) for _ in range(n)]


@pytest.mark.parametrize("n_workers", [0, 1, 2])
def test_the_number_of_workers_changes_nothing(folder, n_workers):
    maker = make_maker(folder)
    for iteration, batch in enumerate(take(maker, 6, start=4, n_workers=n_workers), start=4):
        expected = maker.make(iteration)
        for name in ("image", "segmentation", "previous"):
            np.testing.assert_array_equal(getattr(batch, name), getattr(expected, name))
        assert batch.places == expected.places


@pytest.mark.parametrize("n_workers", [0, 1])
def test_a_missing_case_is_named_where_its_batch_is_due(folder, n_workers):
    with pytest.raises(WorkspaceError, match="nowhere"):
        take(make_maker(folder, "nowhere"), 1, n_workers=n_workers)


@pytest.mark.parametrize("n_workers", [0, 1])
def test_a_function_of_the_iteration_is_enough(n_workers):
    with BatchStream(str, start=8, n_workers=n_workers, n_ahead=2) as batches:
        assert [next(batches) for _ in range(3)] == ["8", "9", "10"]


@pytest.mark.parametrize("n_workers", [0, 1])
def test_the_maker_of_each_batch_is_chosen_once_and_in_order_when_it_is_ordered(folder, n_workers):
    small, large, asked = make_maker(folder), replace(make_maker(folder), patch_size=(12, 16, 20)), []

    def choose(iteration):
        asked.append(iteration)
        return small if iteration < 5 else large

    with BatchStream(choose=choose, start=3, n_workers=n_workers, n_ahead=2) as batches:
        shapes = [next(batches).segmentation.shape[1:] for _ in range(4)]
    assert shapes == [PATCH, PATCH, (12, 16, 20), (12, 16, 20)]
    assert asked == list(range(3, 3 + len(asked)))
    assert len(asked) == 4 + n_workers


def test_a_source_and_a_choice_exclude_each_other(folder):
    with pytest.raises(ValueError, match="either a source or a choice"):
        BatchStream(make_maker(folder), choose=str, start=0, n_workers=0, n_ahead=1)


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
    monkeypatch.setattr(streaming, "find_spec", lambda name: None)
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
        from test_streaming import BatchStream, find_workers, make_maker
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
