"""Calibration against closed forms, scikit-learn, and a sum over voxels one by one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import brier_score_loss

from autoseg.data import probability_reading
from autoseg.data.geometry import Geometry
from autoseg.data.nifti_writing import write_nifti
from autoseg.evaluation.probabilities import (
    PROBABLE,
    REACH,
    Calibrated,
    CalibrationSums,
    mark_surroundings,
    measure_file,
)

SHAPE = (9, 24, 31)
GEOMETRY = Geometry(SHAPE, (3.0, 0.8, 0.5))


def measure_calibration(probability: np.ndarray, reference: np.ndarray, n_bins: int) -> Calibrated:
    """Over all voxels given."""
    sums = CalibrationSums(n_bins)
    sums.add(probability, reference)
    return sums.measure()


def measure_one_by_one(probability: np.ndarray, reference: np.ndarray, n_bins: int) -> float:
    """ECE with right-closed bins, of probabilities in multiples of 1/255, in whole numbers: no float decides a bin."""
    codes, total = np.rint(probability * 255).astype(int), 0.0
    for number in range(n_bins):
        members = (codes * n_bins > number * 255) & (codes * n_bins <= (number + 1) * 255) | (
            (codes == 0) & (number == 0)
        )
        total += abs(codes[members].sum() / 255 - reference[members].sum())
    return total / codes.size


def random_case(seed: int, shape: tuple[int, ...] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, shape) / 255).astype(np.float32), rng.random(shape) < rng.random()


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 10, 15, 51]))
def test_scores_agree_with_whole_numbers_and_scikit_learn(seed: int, n_bins: int) -> None:
    probability, reference = random_case(seed, (3, 5, 9))
    found = measure_calibration(probability, reference, n_bins)
    assert found.ece == pytest.approx(measure_one_by_one(probability, reference, n_bins), abs=1e-6)
    assert found.brier == pytest.approx(brier_score_loss(reference.ravel(), probability.ravel()), abs=1e-6)
    assert found.n_voxels == reference.size


def test_what_comes_true_as_often_as_said_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(400_000, dtype=np.float32)
    found = measure_calibration(probability, rng.random(400_000) < probability, 15)
    assert found.ece < 0.01
    assert found.brier == pytest.approx(1 / 6, abs=0.002)  # mean of p (1 - p)


def test_constant_overconfidence_is_its_excess() -> None:
    reference = np.arange(100) < 60
    found = measure_calibration(np.full(100, 0.875, dtype=np.float32), reference, 15)
    assert found.ece == pytest.approx(0.275)
    assert found.brier == pytest.approx(0.6 * 0.125**2 + 0.4 * 0.875**2)


def test_bins_do_not_lend_to_each_other() -> None:
    """0.25 never comes true and 0.75 always: on average right, in either bin a quarter off."""
    probability, reference = np.tile(np.float32([0.25, 0.75]), 50), np.tile([False, True], 50)
    assert measure_calibration(probability, reference, 2).ece == pytest.approx(0.25)
    assert measure_calibration(probability, reference, 1).ece == pytest.approx(0, abs=1e-6)


def test_certainty_that_is_right_or_wrong() -> None:
    right = np.random.default_rng(1).random(SHAPE) < 0.3
    assert measure_calibration(right.astype(np.float32), right, 15) == Calibrated(0, 0, right.size)
    assert measure_calibration((~right).astype(np.float32), right, 15) == Calibrated(1, 1, right.size)


def test_no_voxel_is_no_score() -> None:
    found = measure_calibration(np.zeros(0, dtype=np.float32), np.zeros(0, dtype=bool), 15)
    assert (math.isnan(found.ece), math.isnan(found.brier), found.n_voxels) == (True, True, 0)


def test_slabs_sum_up_to_the_whole() -> None:
    probability, reference = random_case(3)
    sums = CalibrationSums(15)
    for z in range(SHAPE[0]):
        sums.add(probability[z], reference[z])
    found, whole = sums.measure(), measure_calibration(probability, reference, 15)
    assert (found.ece, found.brier, found.n_voxels) == pytest.approx((whole.ece, whole.brier, whole.n_voxels))


@given(st.integers(0, 2**32 - 1), st.sampled_from([(3.0, 0.8, 0.5), (0.5, 0.5, 0.5), (999.0, 1.0, 1.0)]))
def test_surroundings_are_a_dilation_by_a_cuboid(seed: int, spacing: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.random((6, 14, 17)) < rng.choice([0, 0.002, 0.02])
    size = [2 * round(REACH * min(spacing) / step) + 1 for step in spacing]
    expected = ndimage.maximum_filter(reference, size=size, mode="constant")
    assert np.array_equal(mark_surroundings(reference, spacing), expected)


def write_case(path: Path, codes: np.ndarray) -> np.ndarray:
    write_nifti(path, codes.astype(np.uint8), GEOMETRY, slope=1 / 255)
    return (codes / 255).astype(np.float32)


@pytest.mark.parametrize("slab_voxels", [1, 2**20])
def test_a_file_is_scored_over_surroundings_and_claims(tmp_path: Path, monkeypatch, slab_voxels: int) -> None:
    monkeypatch.setattr(probability_reading, "SLAB_VOXELS", slab_voxels)
    rng = np.random.default_rng(0)
    reference = np.zeros(SHAPE, dtype=bool)
    reference[3:5, 4:9, 5:12] = True
    probability = write_case(tmp_path / "p.nii.gz", rng.choice([0, 0, 0, 5, 12, 13, 80, 255], SHAPE))
    annotated = rng.random(SHAPE) < 0.8
    near = ndimage.maximum_filter(reference, size=(3, 7, 11), mode="constant")
    counts = (near | (probability >= PROBABLE)) & annotated
    expected = measure_calibration(probability[counts], reference[counts], 10)
    found = measure_file(tmp_path / "p.nii.gz", reference, geometry=GEOMETRY, n_bins=10, annotated=annotated)
    assert (found.ece, found.brier) == pytest.approx((expected.ece, expected.brier))
    assert found.n_voxels == expected.n_voxels == counts.sum()


def test_more_easy_background_changes_nothing_and_a_far_invention_does(tmp_path: Path) -> None:
    reference, codes = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE)
    reference[3:5, 4:9, 5:12], codes[3:5, 4:9, 6:13] = True, 230
    write_case(tmp_path / "p.nii.gz", codes)
    alone = measure_file(tmp_path / "p.nii.gz", reference, geometry=GEOMETRY, n_bins=15)
    assert alone.n_voxels == 4 * 11 * 17
    codes[8, 23, 25:31] = 255
    write_case(tmp_path / "p.nii.gz", codes)
    invented = measure_file(tmp_path / "p.nii.gz", reference, geometry=GEOMETRY, n_bins=15)
    assert invented.n_voxels == alone.n_voxels + 6
    assert invented.brier * invented.n_voxels == pytest.approx(alone.brier * alone.n_voxels + 6)


def test_table_of_empty_cases(tmp_path: Path) -> None:
    codes, empty = np.zeros(SHAPE), np.zeros(SHAPE, dtype=bool)
    write_case(tmp_path / "p.nii.gz", codes)
    assert math.isnan(measure_file(tmp_path / "p.nii.gz", empty, geometry=GEOMETRY, n_bins=15).ece)
    codes[4, 5, 6:10] = 204
    write_case(tmp_path / "p.nii.gz", codes)
    found = measure_file(tmp_path / "p.nii.gz", empty, geometry=GEOMETRY, n_bins=15)
    assert (found.ece, found.brier, found.n_voxels) == pytest.approx((0.8, 0.64, 4))
