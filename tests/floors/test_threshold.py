"""Intervals of intensities: against brute force, and where the answer is known beforehand."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoseg.data.labels import IGNORED, Labels, Region
from autoseg.errors import DatasetError
from autoseg.floors.cases import FloorCase, ReadCases, list_targets
from autoseg.floors.threshold import find_best_interval, fit_thresholds

TWO = Labels(names=("background", "dark", "bright"), values=(0, 1, 2))
COUNTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


def reading(*cases: FloorCase) -> ReadCases:
    def read() -> Iterator[FloorCase]:
        return iter(cases)

    return read


def make_case(image: np.ndarray, segmentation: np.ndarray, n_targets: int = 2) -> FloorCase:
    return FloorCase(np.asarray(image, dtype=np.float32), segmentation, (True,) * n_targets)


@given(COUNTS)
def test_no_interval_has_a_better_dice(counts: list[tuple[int, int]]) -> None:
    inside = np.array([mine for mine, _ in counts])
    everything = inside + np.array([others for _, others in counts])
    first, end, dice = find_best_interval(inside, everything)
    tried = [
        2 * inside[low:high].sum() / max(everything[low:high].sum() + inside.sum(), 1)
        for low in range(len(counts))
        for high in range(low + 1, len(counts) + 1)
    ]
    assert dice == pytest.approx(max(tried))
    assert dice == pytest.approx(2 * inside[first:end].sum() / max(everything[first:end].sum() + inside.sum(), 1))


def test_labels_that_brightness_tells_apart_are_found_exactly_in_an_image_not_seen_before() -> None:
    rng = np.random.default_rng(0)
    levels = np.array([0.0, 100.0, 200.0])
    cases = []
    for shape in ((3, 8, 5), (2, 7, 9), (4, 6, 8)):
        segmentation = rng.integers(0, 3, size=shape)
        noise = rng.uniform(-20, 20, size=shape)
        cases.append(make_case(np.stack([rng.normal(size=shape), levels[segmentation] + noise]), segmentation))
    thresholds = fit_thresholds(reading(*cases[:2]), list_targets(TWO), are_regions=False)
    assert [interval.channel for interval in thresholds.intervals] == [1, 1]  # the other channel is noise
    np.testing.assert_array_equal(thresholds.segment(cases[2].image), cases[2].segmentation)
    bright = next(interval for interval in thresholds.intervals if interval.target.name == "bright")
    assert (bright.high, bright.dice, bright.precision) == (math.inf, 1.0, 1.0)


def test_the_more_precise_interval_wins_where_two_overlap() -> None:
    """Both labels are as bright as 1; three voxels of four there are the second one's."""
    image = np.array([[[[1, 1, 1, 1, 0, 0, 0, 0]]]])
    segmentation = np.array([[[1, 2, 2, 2, 0, 0, 0, 0]]])
    thresholds = fit_thresholds(reading(make_case(image, segmentation)), list_targets(TWO), are_regions=False)
    assert [interval.precision for interval in thresholds.intervals] == [0.25, 0.75]
    np.testing.assert_array_equal(thresholds.segment(image.astype(np.float32)), 2 * image[0])


def test_regions_are_painted_in_their_order() -> None:
    whole = Region(name="whole", labels=(1, 2), paints=1)
    core = Region(name="core", labels=(2,), paints=2)
    labels = TWO.model_copy(update={"regions": (whole, core)})
    segmentation = np.array([[[0, 0, 1, 1, 1, 2]]])
    image = 10.0 * segmentation[None]
    thresholds = fit_thresholds(reading(make_case(image, segmentation)), list_targets(labels), are_regions=True)
    np.testing.assert_array_equal(thresholds.segment(image), segmentation)


def test_ignored_voxels_and_labels_that_a_case_does_not_mark_count_for_nothing() -> None:
    clean = make_case(np.array([[[[0, 5, 9, 9]]]]), np.array([[[0, 1, 2, 2]]]))
    ignored = make_case(np.array([[[[9, 9, 9, 5]]]]), np.array([[[IGNORED, IGNORED, IGNORED, 1]]]))
    silent = FloorCase(np.full((1, 1, 1, 4), 9, dtype=np.float32), np.zeros((1, 1, 4), dtype=int), (True, False))
    thresholds = fit_thresholds(reading(clean, ignored, silent), list_targets(TWO), are_regions=False)
    assert [interval.dice for interval in thresholds.intervals] == [1.0, 1.0]


def test_a_label_of_no_training_case_is_never_found() -> None:
    image = np.array([[[[0, 5, 5, 9]]]], dtype=np.float32)
    thresholds = fit_thresholds(
        reading(make_case(image, np.array([[[0, 1, 1, 0]]]))), list_targets(TWO), are_regions=False
    )
    assert np.unique(thresholds.segment(image)).tolist() == [0, 1]


def test_without_a_case_there_is_nothing_to_find() -> None:
    with pytest.raises(DatasetError, match="no training case"):
        fit_thresholds(reading(), list_targets(TWO), are_regions=False)
