"""The store of preprocessed cases: what was written is read, in parts too, and a half-written case is not there."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from autoseg.data.labels import IGNORED
from autoseg.errors import DatasetError, WorkspaceError
from autoseg.preprocessing.preprocess import Placement, Prepared
from autoseg.preprocessing.store import (
    FORMAT,
    has_case,
    open_case,
    sample_locations,
    write_case,
)

SHAPE = (19, 40, 70)


def make_prepared(largest_label: int = 2) -> Prepared:
    generator = np.random.default_rng(0)
    segmentation = np.zeros(SHAPE, dtype=np.int16)
    segmentation[3:9, 10:30, 40:69] = 1
    segmentation[10:12, 0:3, 5:9] = largest_label
    segmentation[18] = IGNORED
    placement = Placement(
        original_shape=(70, 19, 40), box=((0, 70), (0, 19), (0, 40)), axis_order=(1, 2, 0), network_shape=SHAPE
    )
    return Prepared(generator.normal(size=(2, *SHAPE)).astype(np.float32), segmentation, (3.0, 1.0, 0.5), placement)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_case(tmp_path, "liver_1", make_prepared(), source="abc", patch_size=(8, 16, 24))
    return tmp_path


def test_what_was_written_is_read(folder):
    prepared, case = make_prepared(), open_case(folder, "liver_1")
    np.testing.assert_array_equal(case.read_image(), prepared.image)
    np.testing.assert_array_equal(case.segmentation[:], prepared.segmentation)
    np.testing.assert_array_equal(case.image[:, 3:9], prepared.image[:, 3:9])
    assert (case.shape, case.placement, case.facts.spacing_mm) == (SHAPE, prepared.placement, (3.0, 1.0, 0.5))


@pytest.mark.parametrize("start", [(2, 5, 33), (-3, 35, -10), (15, -4, 60), (-2, -2, -2), (50, 0, 0)])
def test_a_patch_equals_the_same_box_of_the_padded_volume(folder, start):
    prepared, margin, shape = make_prepared(), 64, (8, 16, 24)
    image, segmentation = open_case(folder, "liver_1").read_patch(start, shape)
    box = tuple(slice(a + margin, a + margin + n) for a, n in zip(start, shape, strict=True))
    np.testing.assert_array_equal(image, np.pad(prepared.image, [(0, 0), *[(margin,) * 2] * 3])[(slice(None), *box)])
    np.testing.assert_array_equal(segmentation, np.pad(prepared.segmentation, margin)[box])
    assert image.dtype == np.float32
    assert segmentation.dtype == np.int16


def test_labels_beyond_a_byte_are_kept(tmp_path):
    write_case(tmp_path, "a", make_prepared(largest_label=300), source="")
    assert open_case(tmp_path, "a").segmentation[10, 0, 5] == 300


def test_locations_are_voxels_of_their_label(folder):
    case, prepared = open_case(folder, "liver_1"), make_prepared()
    assert {label: len(where) for label, where in case.locations.items()} == {0: 10_000, 1: 6 * 20 * 29, 2: 2 * 3 * 4}
    for label, where in case.locations.items():
        assert (prepared.segmentation[tuple(where.T)] == label).all()
        assert len(np.unique(where, axis=0)) == len(where)


def test_locations_of_a_large_label_are_a_uniform_draw():
    segmentation = np.zeros((10, 20, 30), dtype=np.int16)
    segmentation[2:] = 4
    drawn = sample_locations(segmentation, seed=5, limit=1000)
    assert len(np.unique(drawn, axis=0)) == 1000
    np.testing.assert_allclose(drawn[:, 1:].mean(axis=0), [5.5, 9.5, 14.5], atol=1)
    np.testing.assert_array_equal(drawn, sample_locations(segmentation, seed=5, limit=1000))
    assert not np.array_equal(drawn, sample_locations(segmentation, seed=6, limit=1000))


def draw_by_brute_force(segmentation: np.ndarray, seed: int, limit: int) -> np.ndarray:
    """All of a label's voxels at once, of which ranks are chosen."""
    generator, drawn = np.random.default_rng(seed), []
    for label in range(1, int(segmentation.max()) + 1):
        where = np.argwhere(segmentation == label)
        if len(where) > limit:
            where = where[np.sort(generator.choice(len(where), size=limit, replace=False, shuffle=False))]
        drawn.append(np.insert(where, 0, label, axis=1))
    return np.concatenate(drawn)


@pytest.mark.parametrize("slab_voxels", [1, 300, 1 << 20])
def test_locations_found_slab_by_slab_are_those_of_brute_force(monkeypatch, slab_voxels):
    monkeypatch.setattr("autoseg.preprocessing.resampling.SLAB_VOXELS", slab_voxels)
    segmentation = np.random.default_rng(3).integers(0, 5, size=(11, 7, 13)).astype(np.int8)
    segmentation[:4] = 0
    drawn = sample_locations(segmentation, seed=8, limit=30)
    np.testing.assert_array_equal(drawn, draw_by_brute_force(segmentation, 8, 30))
    assert drawn.dtype == np.int32


def test_every_voxel_of_a_label_is_drawn_equally_often():
    """Counts of 800 draws of 10 out of 60: chi-square has the mean of the free counts, corrected for no replacement."""
    segmentation = np.zeros((5, 6, 4), dtype=np.int16)
    segmentation[:, 2:5] = 1
    counts = np.zeros(segmentation.shape)
    for seed in range(800):
        counts[tuple(sample_locations(segmentation, seed=seed, limit=10)[:, 1:].T)] += 1
    expected = 800 * 10 / 60
    statistic = ((counts[:, 2:5] - expected) ** 2 / expected).sum() / (1 - 10 / 60) * 59 / 60
    assert counts.sum() == 8000
    assert stats.chi2.ppf(0.001, df=59) < statistic < stats.chi2.ppf(0.999, df=59)


def test_locations_of_a_large_label_are_drawn_in_little_memory():
    segmentation = np.ones((64, 256, 256), dtype=np.int8)
    sample_locations(segmentation[:2], seed=0)
    tracemalloc.start()
    drawn = sample_locations(segmentation, seed=0)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(drawn) == 10_000
    assert peak_bytes < 4 * segmentation.size  # its coordinates would take 24 bytes per voxel, their ranks 8


def test_a_case_without_foreground_has_no_locations(tmp_path):
    prepared = make_prepared()
    prepared.segmentation[...] = 0
    write_case(tmp_path, "empty", prepared, source="")
    assert open_case(tmp_path, "empty").locations == {}


def test_background_is_located_only_beside_ignored_voxels():
    dense = np.zeros((6, 8, 10), dtype=np.int16)
    dense[2, 3:5, 4:9] = 3
    sparse = np.where(np.arange(6)[:, None, None] % 3 == 2, dense, IGNORED)
    assert set(sample_locations(dense, seed=5)[:, 0]) == {3}
    drawn = sample_locations(sparse, seed=5)
    assert (sparse[tuple(drawn[:, 1:].T)] == drawn[:, 0]).all()
    assert np.bincount(drawn[:, 0]).tolist() == [2 * 80 - 10, 0, 0, 10]


def test_a_case_is_there_only_for_its_own_source(folder):
    assert has_case(folder, "liver_1", "abc")
    assert not has_case(folder, "liver_1", "changed")
    assert not has_case(folder, "liver_2", "abc")


def test_a_case_in_an_older_format_is_stored_anew(folder):
    """Format 1 held other values for cases with an axis apart and for channels with a mask."""
    path = folder / "liver_1.json"
    facts = json.loads(path.read_text())
    assert facts["autoseg_preprocessed"] == FORMAT == 2
    path.write_text(json.dumps({**facts, "autoseg_preprocessed": 1}))
    assert not has_case(folder, "liver_1", "abc")


def test_a_half_written_case_is_not_there(folder, monkeypatch):
    monkeypatch.setattr("autoseg.preprocessing.store.sample_locations", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_case(folder, "liver_1", make_prepared(), source="abc")
    assert not has_case(folder, "liver_1", "abc")
    assert not list(folder.glob(".writing*"))


@pytest.mark.parametrize("ending", ["image.b2nd", "segmentation.b2nd", "locations.npy", "json"])
def test_a_case_that_lost_a_file_is_not_there(folder, ending):
    (folder / f"liver_1.{ending}").unlink()
    assert not has_case(folder, "liver_1", "abc")


def test_a_damaged_description_is_not_a_case(folder):
    (folder / "liver_1.json").write_text('{"id": "liver_1"}')
    assert not has_case(folder, "liver_1", "abc")
    with pytest.raises(WorkspaceError, match="source is missing"):
        open_case(folder, "liver_1")


def test_a_missing_case_and_a_case_without_reference_are_told(folder):
    with pytest.raises(WorkspaceError, match="liver_9 is not preprocessed"):
        open_case(folder, "liver_9")
    nameless = Prepared(np.zeros((1, 2, 3, 4)), None, (1, 1, 1), make_prepared().placement)
    with pytest.raises(DatasetError, match="no segmentation"):
        write_case(folder, "x", nameless, source="")
