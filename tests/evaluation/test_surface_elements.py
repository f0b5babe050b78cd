"""Surface elements against marching cubes of scikit-image, closed forms and a plain count of neighbourhoods."""

from __future__ import annotations

import itertools
from math import hypot, sqrt

import numpy as np
import pytest
from skimage.measure import marching_cubes, mesh_surface_area

from autoseg.evaluation import surface_elements
from autoseg.evaluation.surface_elements import find_elements, measure_areas

SPACING = (3.0, 1.0, 0.7)


def total(mask: np.ndarray, spacing: tuple[float, ...]) -> float:
    _, codes = find_elements(mask)
    return float(measure_areas(spacing)[codes].sum())


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), SPACING, (0.3, 4.0, 2.0)])
def test_areas_are_those_of_marching_cubes(spacing: tuple[float, float, float]) -> None:
    """Where at most four corners are inside; scikit-image joins more than four across a face, here the outside does."""
    areas = measure_areas(spacing)
    for code in range(1, 255):
        minority = code if code.bit_count() <= 4 else 255 - code
        cube = np.array([minority >> bit & 1 for bit in range(8)], float).reshape(2, 2, 2)
        points, triangles, *_ = marching_cubes(cube, 0.5, spacing=spacing, method="lorensen", allow_degenerate=True)
        assert areas[code] == pytest.approx(mesh_surface_area(points, triangles), rel=1e-5)
    assert areas[0] == areas[255] == 0


def test_single_voxel_is_an_octahedron() -> None:
    z, y, x = SPACING
    face = sqrt((z * y) ** 2 + (y * x) ** 2 + (x * z) ** 2) / 8
    assert total(np.ones((1, 1, 1), bool), SPACING) == pytest.approx(8 * face)


def test_contour_of_a_rectangle_has_bevelled_corners() -> None:
    rectangle = np.zeros((7, 9), bool)
    rectangle[1:5, 2:8] = True
    sides = 2 * 3 * 2.0 + 2 * 5 * 0.7
    assert total(rectangle, (2.0, 0.7)) == pytest.approx(sides + 4 * hypot(1.0, 0.35))


def test_pixels_that_touch_at_a_corner_have_contours_of_their_own() -> None:
    assert total(np.eye(2, dtype=bool), (2.0, 0.7)) == pytest.approx(2 * total(np.ones((1, 1), bool), (2.0, 0.7)))


@pytest.mark.parametrize("shape", [(4, 6, 5), (6, 5)])
def test_elements_are_the_mixed_neighbourhoods(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface_elements, "SLAB_VOXELS", 90)  # slabs of one plane or a few
    mask = np.random.default_rng(3).random(shape) < 0.6
    padded = np.pad(mask, 1)
    found = {}
    for corner in itertools.product(*(range(length + 1) for length in shape)):
        around = padded[tuple(slice(place, place + 2) for place in corner)].ravel()
        if around.any() and not around.all():
            found[np.ravel_multi_index(corner, [length + 1 for length in shape])] = sum(
                int(inside) << bit for bit, inside in enumerate(around)
            )
    places, codes = find_elements(mask)
    assert dict(zip(places.tolist(), codes.tolist(), strict=True)) == found
    assert np.all(np.diff(places) > 0)


def test_a_mask_that_fills_its_array_is_closed() -> None:
    inside = np.pad(np.ones((3, 4, 5), bool), 2)
    assert total(np.ones((3, 4, 5), bool), SPACING) == pytest.approx(total(inside, SPACING))


def test_an_empty_mask_has_no_elements() -> None:
    places, codes = find_elements(np.zeros((3, 4, 5), bool))
    assert len(places) == len(codes) == 0
