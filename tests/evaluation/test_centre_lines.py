"""Centre lines against tubes whose lines are known, and against what thinning must keep."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from autoseg.evaluation.centre_lines import cl_dice, find_centre_line


def draw_tube(length: int, *, radius: int = 1, y: int = 5) -> np.ndarray:
    """A square tube along x in a volume (9, 11, 40), its line at z = 4."""
    tube = np.zeros((9, 11, 40), dtype=bool)
    tube[4 - radius : 5 + radius, y - radius : y + radius + 1, 4 : 4 + length] = True
    return tube


def test_a_tube_of_half_the_thickness_has_the_same_line() -> None:
    thick, thin = draw_tube(30, radius=2), draw_tube(30, radius=1)
    assert 2 * (thick & thin).sum() / (thick.sum() + thin.sum()) < 0.6  # Dice
    assert cl_dice(thick, thin) == 1


def test_half_a_thin_tube_scores_on_paper() -> None:
    """A line of one voxel is its own centre line: precision 1, sensitivity 10/30."""
    assert cl_dice(draw_tube(30, radius=0), draw_tube(10, radius=0)) == pytest.approx(2 * (1 / 3) / (4 / 3))
    assert cl_dice(draw_tube(10, radius=0), draw_tube(30, radius=0)) == pytest.approx(2 * (1 / 3) / (4 / 3))


def test_a_gap_costs_its_share_of_the_line() -> None:
    reference, predicted = draw_tube(30, radius=0), draw_tube(30, radius=0)
    predicted[:, :, 10:16] = False
    assert cl_dice(reference, predicted) == pytest.approx(2 * (24 / 30) / (1 + 24 / 30))


def test_a_picture_is_thinned_in_its_plane() -> None:
    picture = np.zeros((12, 40), dtype=bool)
    picture[4:9, 3:36], thin = True, np.zeros((12, 40), dtype=bool)
    thin[6, 3:18] = True
    line = find_centre_line(picture)
    assert line.any(axis=0)[8:30].all()
    assert set(np.flatnonzero(line[:, 8:30].any(axis=1))) == {6}
    assert cl_dice(picture[None], thin[None]) == cl_dice(picture, thin)
    sensitivity = line[6, 3:18].sum() / line.sum()
    assert cl_dice(picture, thin) == pytest.approx(2 * sensitivity / (1 + sensitivity))


@pytest.mark.parametrize(
    ("reference", "predicted", "score"),
    [
        (draw_tube(0), draw_tube(0), math.nan),
        (draw_tube(0), draw_tube(9), 0),
        (draw_tube(9), draw_tube(0), 0),
        (draw_tube(9, y=2), draw_tube(9, y=8), 0),
    ],
)
def test_table_of_empty_cases(reference: np.ndarray, predicted: np.ndarray, score: float) -> None:
    assert cl_dice(reference, predicted) == pytest.approx(score, nan_ok=True)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 2), (4, 4, 4), (1, 1, 7), (4, 4, 1), (2, 2, 30)])
def test_no_block_loses_its_line(shape: tuple[int, int, int]) -> None:
    """scikit-image thins a cube of 2 or of 4 voxels to nothing."""
    line = find_centre_line(np.ones(shape, dtype=bool))
    assert line.any()
    assert cl_dice(np.ones(shape, dtype=bool), np.ones(shape, dtype=bool)) == 1


def test_what_was_lost_gets_its_middle_voxel() -> None:
    mask = np.zeros((5, 9, 20), dtype=bool)
    mask[1:3, 1:3, 1:3] = mask[1:5, 4:8, 8:12] = mask[0, 0, 14:19] = True
    line = find_centre_line(mask)
    assert np.argwhere(line[:, 1:, :13]).tolist() == [[1, 0, 1], [2, 4, 9]]
    assert line[0, 0, 14:19].all()


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.5), st.sampled_from([(12, 14), (5, 6, 8), (1, 9, 9)]))
def test_every_component_keeps_one_line_inside(seed: int, share: float, shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(seed).random(shape) < share
    line, corners = find_centre_line(mask), np.ones((3,) * len(shape))
    assert not (line & ~mask).any()
    components, n = ndimage.label(mask, corners)
    assert set(np.unique(components[line])) == set(range(1, n + 1))
    assert ndimage.label(line, corners)[1] == n


@given(st.integers(0, 2**32 - 1))
def test_the_box_does_not_matter(seed: int) -> None:
    blurred = ndimage.gaussian_filter(np.random.default_rng(seed).random((2, 8, 9, 10)), (0, 1, 1, 1))
    reference, predicted = blurred > 0.5
    wide = [np.pad(mask, ((1, 4), (2, 0), (0, 3))) for mask in (reference, predicted)]
    assert cl_dice(*wide) == cl_dice(reference, predicted)
