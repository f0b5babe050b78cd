"""Components against brute force, ties and connectivity."""

from __future__ import annotations

import numpy as np
from skimage.measure import label as label_components

from autoseg.postprocessing.components import find_largest_component, keep_largest_component


def test_smaller_component_becomes_background() -> None:
    segmentation = np.zeros((3, 6, 9), np.int16)
    segmentation[0:2, 1:4, 1:4] = 1
    segmentation[2, 5, 7:9] = 1
    kept = keep_largest_component(segmentation, [1])
    assert kept[0:2, 1:4, 1:4].all()
    assert kept.sum() == 18
    assert segmentation.sum() == 20


def test_labels_are_taken_together_and_others_left_alone() -> None:
    segmentation = np.array([[[1, 2, 0, 1, 0, 3, 0, 2]]], np.uint8)
    assert keep_largest_component(segmentation, [1, 2]).tolist() == [[[1, 2, 0, 0, 0, 3, 0, 0]]]
    assert keep_largest_component(segmentation, [2]).tolist() == [[[1, 2, 0, 1, 0, 3, 0, 0]]]


def test_voxels_that_share_a_corner_hang_together() -> None:
    segmentation = np.zeros((2, 2, 6), np.int16)
    segmentation[0, 0, 0] = segmentation[1, 1, 1] = segmentation[0, 0, 5] = 1
    assert np.argwhere(keep_largest_component(segmentation, [1])).tolist() == [[0, 0, 0], [1, 1, 1]]


def test_of_equals_the_first_stays() -> None:
    assert keep_largest_component(np.array([[[0, 1, 0, 1]]]), [1]).tolist() == [[[0, 1, 0, 0]]]


def test_one_component_or_none_is_left_as_it_is() -> None:
    for segmentation in (np.zeros((2, 3, 4), np.int16), np.ones((2, 3, 4), np.int16)):
        assert keep_largest_component(segmentation, [1]) is segmentation


def test_largest_component_agrees_with_skimage() -> None:
    mask = np.random.default_rng(4).random((5, 9, 14)) < 0.12
    components = label_components(mask, connectivity=3)
    expected = components == np.bincount(components[mask]).argmax()
    assert np.array_equal(find_largest_component(mask), expected)
