"""Do probability files hold what was predicted, in the image's geometry, or not exist at all?"""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from autoseg.data.geometry import Geometry
from autoseg.data.image_io import read_image
from autoseg.data.labels import Region
from autoseg.planning.choices import Resampling
from autoseg.prediction.restoring import probability_files
from autoseg.prediction.restoring.probability_files import (
    ProbabilityFiles,
    count_spool_bytes,
    count_touched_bytes,
)
from autoseg.prediction.restoring.restore import Member, restore
from autoseg.preprocessing.preprocess import Placement
from autoseg.preprocessing.resampling import resample

GEOMETRY = Geometry((14, 12, 33), (3.0, 0.8, 0.5), (1.0, -2.0, 3.5), (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
PLACEMENT = Placement(
    original_shape=GEOMETRY.shape, box=((1, 12), (2, 11), (5, 29)), axis_order=(1, 2, 0), network_shape=(6, 11, 7)
)
REGIONS = tuple(Region(name=name, labels=(label,), paints=label) for label, name in enumerate("abc", start=1))


def make_member(regions: tuple[Region, ...] = ()) -> Member:
    logits = np.random.default_rng(0).normal(size=(3, *PLACEMENT.network_shape)).astype(np.float32) * 4
    return Member(logits, PLACEMENT, Resampling(), regions)


def compute_densely(member: Member) -> np.ndarray:
    """Probabilities (K, Z, Y, X): 1 outside the crop for background, 0 for all else."""
    dense = np.stack([resample(label, PLACEMENT.cropped_shape, 1) for label in member.logits]).astype(np.float64)
    inside = 1 / (1 + np.exp(-dense)) if member.regions else np.exp(dense) / np.exp(dense).sum(axis=0)
    result = np.zeros((3, *GEOMETRY.shape))
    result[0] = 0 if member.regions else 1
    result[:, 1:12, 2:11, 5:29] = np.moveaxis(inside, (1, 2, 3), (2, 3, 1))
    return result


@pytest.mark.parametrize("regions", [(), REGIONS])
@pytest.mark.parametrize("slab_bytes", [1, 2**28])
def test_files_hold_the_dense_probabilities_in_place(tmp_path: Path, regions, slab_bytes) -> None:
    member, paths = make_member(regions), [tmp_path / "new" / f"{name}.nii.gz" for name in "abc"]
    with ProbabilityFiles(paths, GEOMETRY, PLACEMENT, are_regions=bool(regions)) as sink:
        restore([member], probabilities=sink, slab_bytes=slab_bytes)
        assert not list((tmp_path / "new").iterdir())
    for path, expected in zip(paths, compute_densely(member), strict=True):
        found, geometry = read_image([path])
        np.testing.assert_allclose(found[0], expected, atol=1 / 510 + 1e-6)
        np.testing.assert_allclose(geometry.direction, GEOMETRY.direction, atol=1e-6)
        np.testing.assert_allclose((*geometry.spacing, *geometry.origin), (*GEOMETRY.spacing, *GEOMETRY.origin))


def test_a_failed_prediction_leaves_no_files(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.nii.gz" for name in "abc"]
    with pytest.raises(KeyboardInterrupt), ProbabilityFiles(paths, GEOMETRY, PLACEMENT, are_regions=False):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_compressed_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, write = [tmp_path / f"{name}.nii.gz" for name in "abc"], probability_files.write_nifti

    def fail_at_the_second(path: Path, *rest: object, **more: object) -> None:
        if path.name == "b.nii.gz":
            raise OSError("no space left")
        write(path, *rest, **more)

    monkeypatch.setattr(probability_files, "write_nifti", fail_at_the_second)
    with pytest.raises(OSError, match="no space"), ProbabilityFiles(paths, GEOMETRY, PLACEMENT, are_regions=False):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("rows", [(slice(0, 3),) * 3, (slice(5, 6), slice(2, 30), slice(1, 9)), (slice(None),) * 3])
def test_touched_pages_are_counted_whatever_the_order_of_axes(axes, rows) -> None:
    """Page by page, in an array that begins on one; at most two more for each row, plane and volume."""
    spool = np.frombuffer(mmap.mmap(-1, 40 * 50 * 700), dtype=np.uint8).reshape(40, 50, 700)
    part = spool.transpose(axes)[rows]
    places = np.arange(spool.size).reshape(spool.shape).transpose(axes)[rows]
    n_pages = np.unique(places // mmap.PAGESIZE).size
    assert n_pages * mmap.PAGESIZE <= count_touched_bytes(part) <= 3 * n_pages * mmap.PAGESIZE + 2 * mmap.PAGESIZE


def test_blocks_across_the_rows_of_an_image_are_released_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column of voxels under another order of axes holds a byte per page."""
    geometry = Geometry((300, 64, 64), (1.0, 1.0, 1.0))
    placement = Placement(
        original_shape=geometry.shape, box=((0, 300), (0, 64), (0, 64)), axis_order=(1, 2, 0), network_shape=(1, 1, 1)
    )
    released: list[object] = []
    monkeypatch.setattr(probability_files, "release_pages", released.append)
    monkeypatch.setattr(probability_files, "BYTES_BETWEEN_RELEASES", 2**20)
    with ProbabilityFiles([tmp_path / "a.nii.gz"], geometry, placement, are_regions=True) as sink:
        sink.write((slice(0, 1), slice(0, 1), slice(0, 300)), np.ones((1, 1, 1, 300), dtype=np.float32))
        assert len(released) == 1
    assert count_spool_bytes(geometry.shape, 5) == 5 * 300 * 64 * 64
