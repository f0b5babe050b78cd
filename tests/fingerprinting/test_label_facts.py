"""Are sizes, pieces and positions of labels those that counting voxel by voxel gives?"""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.data.labels import IGNORED, Labels
from autoseg.fingerprinting.fingerprint import Components
from autoseg.fingerprinting.label_facts import LabelFacts, measure_labels

LABELS = Labels(names=("background", "a", "b", "c"), values=(0, 1, 2, 3))


@pytest.fixture
def segmentation() -> np.ndarray:
    """Label 1 in a box of 2x3x4 voxels and a single one elsewhere, label 3 in two that share a corner, 2 nowhere."""
    volume = np.zeros((6, 9, 12), dtype=np.int16)
    volume[0] = IGNORED
    volume[1:3, 2:5, 4:8] = 1
    volume[5, 8, 11] = 1
    volume[4, 4, 4] = volume[5, 5, 5] = 3
    return volume


def test_pieces_are_counted_and_those_that_touch_at_a_corner_are_one(segmentation: np.ndarray) -> None:
    facts = measure_labels(segmentation, LABELS)
    assert facts.voxels == (25, 0, 2)
    one_and_a_box = Components(n=2, largest_voxels=24, smallest_voxels=1)
    assert facts.components == (one_and_a_box, Components(n=0), Components(n=1, largest_voxels=2, smallest_voxels=2))


def test_the_centre_is_the_mean_position_in_the_whole_volume(segmentation: np.ndarray) -> None:
    centres = measure_labels(segmentation, LABELS).centres
    assert centres[0] == pytest.approx(np.argwhere(segmentation == 1).mean(axis=0), rel=1e-5)
    assert centres[1:] == (None, (4.5, 4.5, 4.5))


def test_random_labels_are_counted_as_numpy_counts_them() -> None:
    volume = np.random.default_rng(0).choice([IGNORED, 0, 1, 2, 3], size=(5, 8, 11)).astype(np.int16)
    facts = measure_labels(volume, LABELS)
    assert facts.voxels == tuple(np.bincount(volume[volume > 0], minlength=4)[1:])
    for label, centre in enumerate(facts.centres, start=1):
        assert centre == pytest.approx(np.argwhere(volume == label).mean(axis=0), rel=1e-5)


def test_without_a_segmentation_there_are_no_facts() -> None:
    assert measure_labels(None, LABELS) == LabelFacts()
