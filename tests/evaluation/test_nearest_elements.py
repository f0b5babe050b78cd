"""Distances between elements against all pairs, by the tree and by the sweep over slices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from autoseg.evaluation import nearest_elements
from autoseg.evaluation.nearest_elements import Grid, measure_distances

VOLUME, PICTURE = Grid((7, 11, 9), (3.0, 1.0, 0.7)), Grid((30, 41), (2.5, 0.7))


def brute_force(elements: np.ndarray, others: np.ndarray, grid: Grid) -> np.ndarray:
    one, other = (np.transpose(np.unravel_index(places, grid.shape)) * grid.spacing for places in (elements, others))
    return cdist(one, other).min(axis=1)


def draw(rng: np.random.Generator, n: int, grid: Grid) -> np.ndarray:
    return np.sort(rng.choice(int(np.prod(grid.shape)), n, replace=False))


@pytest.mark.parametrize("grid", [VOLUME, PICTURE])
@pytest.mark.parametrize("cost_per_candidate", [0.0, 1e9])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), n_others=st.integers(1, 60))
def test_nearest_of_all_pairs(grid: Grid, cost_per_candidate: float, seed: int, n: int, n_others: int) -> None:
    """Little is near enough to be found at once; costs of nothing let the tree go on, high ones the sweep."""
    rng = np.random.default_rng(seed)
    elements, others = draw(rng, n, grid), draw(rng, n_others, grid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_elements, "COST_PER_CANDIDATE", cost_per_candidate)
        patch.setattr(nearest_elements, "NEAR_VOXELS", 1.0)
        patch.setattr(nearest_elements, "QUERIES_AT_ONCE", 7)
        found = measure_distances(elements, others, grid)
    np.testing.assert_allclose(found, brute_force(elements, others, grid), rtol=1e-12, atol=1e-12)


def test_points_inside_a_sphere_are_swept() -> None:
    """From its middle all of a sphere is equally far, which a tree cannot make use of."""
    z, y, x = np.ogrid[-40:41, -40:41, -40:41]
    radius = np.sqrt(z * z + y * y + x * x)
    shell, core = np.flatnonzero(abs(radius - 38) < 0.5), np.flatnonzero(radius < 10)
    with pytest.MonkeyPatch.context() as patch:
        swept: list[int] = []
        sweep = nearest_elements._sweep
        patch.setattr(nearest_elements, "_sweep", lambda *given: swept.append(len(given[0])) or sweep(*given))
        distances = measure_distances(core, shell, Grid((81, 81, 81), (1.0, 1.0, 1.0)))
    assert swept == [len(core)]
    np.testing.assert_allclose(distances, 38 - radius.ravel()[core], atol=1.0)


def test_the_same_place_is_at_no_distance_and_nothing_is_infinitely_far() -> None:
    elements = np.array([3, 8, 20])
    assert measure_distances(elements, elements, VOLUME).tolist() == [0, 0, 0]
    assert np.isinf(measure_distances(elements, elements[:0], VOLUME)).all()
    assert measure_distances(elements[:0], elements, VOLUME).size == 0
