"""Damage to a previous segmentation: balls against scipy's morphology, and what may and may not change."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from autoseg.planning.choices import Corruption, Transform
from autoseg.training.corrupting import (
    OPERATORS,
    BorderChange,
    Damage,
    Removal,
    close,
    damage,
    dilate,
    draw_damage,
    erode,
    open_,
)

SHAPE = (14, 24, 31)
ALWAYS = Corruption(
    borders=Transform(probability=1, range=(1, 3)), components=Transform(probability=1, range=(0, 0.15))
)
NEVER = Corruption(borders=Transform(probability=0, range=(1, 3)), components=Transform(probability=0, range=(0, 0.15)))


def make_ball(radius: int) -> np.ndarray:
    axes = np.ogrid[tuple(slice(-radius, radius + 1) for _ in range(3))]
    return sum(axis**2 for axis in axes) <= radius**2


def make_blobs(seed: int = 0) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(SHAPE), 2)
    return noise > np.quantile(noise, 0.7)


def change(segmentation: np.ndarray, label: int, operator: str, radius: int) -> np.ndarray:
    return damage(segmentation, Damage(borders=(BorderChange(label, operator, radius),)))


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_balls_are_those_of_scipy(radius: int) -> None:
    mask, ball = make_blobs(), make_ball(radius)
    unknown_kept = ndimage.binary_erosion(mask, ball, border_value=1)
    np.testing.assert_array_equal(dilate(mask, radius), ndimage.binary_dilation(mask, ball))
    np.testing.assert_array_equal(erode(mask, radius), unknown_kept)
    np.testing.assert_array_equal(open_(mask, radius), ndimage.binary_dilation(unknown_kept, ball))
    closed = ndimage.binary_erosion(ndimage.binary_dilation(mask, ball), ball, border_value=1)
    np.testing.assert_array_equal(close(mask, radius), closed)


@pytest.mark.parametrize("operator", list(OPERATORS))
@pytest.mark.parametrize("radius", [1, 3, 8])
def test_working_in_the_label_s_box_equals_working_on_the_patch(operator: str, radius: int) -> None:
    segmentation = np.zeros((30, 34, 38), dtype=np.int16)
    segmentation[9:20, 12:25, 1:28][make_blobs(1)[:11, :13, :27]] = 1
    whole = OPERATORS[operator](segmentation == 1, radius)
    np.testing.assert_array_equal(change(segmentation, 1, operator, radius) == 1, whole)


def test_what_a_label_gains_others_lose_and_what_it_loses_is_background() -> None:
    segmentation = np.zeros((5, 9, 12), dtype=np.int16)
    segmentation[:, :, :6], segmentation[:, :, 6:] = 2, 1
    grown = change(segmentation, 2, "dilation", 2)
    assert np.unique(grown[:, :, :8]).tolist() == [2]
    assert np.unique(grown[:, :, 8:]).tolist() == [1]
    shrunk = change(segmentation, 2, "erosion", 2)
    assert [int(value) for value in shrunk[2, 4]] == [2, 2, 2, 2, 0, 0, 1, 1, 1, 1, 1, 1]
    assert shrunk.dtype == np.int16


def test_a_ball_larger_than_the_patch_fills_or_empties_it() -> None:
    mask = make_blobs()
    assert dilate(mask, 60).all()
    assert not erode(mask, 60).any()
    assert erode(np.ones(SHAPE, dtype=bool), 60).all()


def test_a_component_vanishes_only_if_it_is_small() -> None:
    segmentation = np.zeros((10, 10, 10), dtype=np.int16)
    segmentation[:2] = 1  # 20% of the patch
    segmentation[4, 1:3, 1:3] = segmentation[8, 8, 2:7] = 1
    removals = [Removal(1, position, (0.0, 0.15)) for position in (0.0, 0.49, 0.5, 0.99)]
    left = [damage(segmentation, Damage(removals=(removal,))) for removal in removals]
    assert [int(one.sum()) for one in left] == [205, 205, 204, 204]
    everything = damage(segmentation, Damage(removals=(removals[0],) * 5))
    assert int(everything.sum()) == 200


def test_damage_leaves_its_input_alone_and_labels_that_are_not_there() -> None:
    segmentation = np.where(make_blobs(), 3, 0).astype(np.int16)
    before = segmentation.copy()
    assert not np.array_equal(change(segmentation, 3, "erosion", 1), segmentation)
    np.testing.assert_array_equal(segmentation, before)
    np.testing.assert_array_equal(change(segmentation, 2, "dilation", 4), segmentation)


def test_all_labels_are_damaged_or_none() -> None:
    drawn = draw_damage(np.random.default_rng(0), ALWAYS, n_labels=5)
    assert sorted(border.label for border in drawn.borders) == [1, 2, 3, 4]
    assert [removal.label for removal in drawn.removals] == [border.label for border in drawn.borders]
    assert draw_damage(np.random.default_rng(0), NEVER, n_labels=5) == Damage()


def test_the_generator_goes_as_far_whatever_is_drawn() -> None:
    generators = [np.random.default_rng(7), np.random.default_rng(7)]
    for generator, corruption in zip(generators, (ALWAYS, NEVER), strict=True):
        draw_damage(generator, corruption, n_labels=4)
    assert generators[0].random() == generators[1].random()


def test_damage_is_as_frequent_and_as_large_as_the_plan_says() -> None:
    corruption = Corruption(
        borders=Transform(probability=0.4, range=(1, 8)), components=Transform(probability=0.2, range=(0, 0.15))
    )
    rng = np.random.default_rng(1)
    drawn = [draw_damage(rng, corruption, n_labels=3) for _ in range(2000)]
    borders = [border for one in drawn for border in one.borders]
    assert np.mean([bool(one.borders) for one in drawn]) == pytest.approx(0.4, abs=0.04)
    assert np.mean([bool(one.removals) for one in drawn]) == pytest.approx(0.2, abs=0.03)
    assert {border.radius for border in borders} == set(range(1, 9))
    assert {border.operator for border in borders} == set(OPERATORS)
