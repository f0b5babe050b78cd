"""Do probability files hold what was predicted, in the image's geometry, or not exist at all?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autoseg.data.geometry import Geometry
from autoseg.data.image_io import read_image
from autoseg.data.labels import Region
from autoseg.planning.choices import Resampling
from autoseg.prediction.restoring.probability_files import ProbabilityFiles
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
