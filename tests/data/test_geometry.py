"""Do two grids that differ say so, and do two that a format made different not?"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from autoseg.data.geometry import FLAT_SPACING_MM, Geometry, describe_differences

ONE = Geometry((10, 20, 30), (5.0, 1.0, 0.5), origin=(1.0, 2.0, 3.0))


def test_equal_grids_do_not_differ() -> None:
    assert describe_differences(ONE, replace(ONE, spacing=(5.0001, 1.0, 0.5), origin=(1.01, 2.0, 3.0))) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"shape": (30, 20, 10)}, "shape (10, 20, 30) against (30, 20, 10)"),
        ({"spacing": (0.5, 1.0, 5.0)}, "spacing (5.0, 1.0, 0.5) against (0.5, 1.0, 5.0) mm"),
        ({"origin": (1.0, 2.0, 3.1)}, "origin (1.0, 2.0, 3.0) against (1.0, 2.0, 3.1) mm"),
        ({"direction": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)}, "direction"),
    ],
)
def test_each_difference_is_named(change: dict[str, tuple[float, ...]], word: str) -> None:
    (difference,) = describe_differences(ONE, replace(ONE, **change))
    assert difference.startswith(word)


def test_a_picture_lies_on_a_volume_of_one_slice() -> None:
    picture = Geometry((1, 20, 30), (FLAT_SPACING_MM, 1.0, 0.5), n_dimensions=2)
    assert describe_differences(picture, Geometry((1, 20, 30), (3.0, 1.0, 0.5))) == []
    assert describe_differences(picture, Geometry((1, 20, 30), (3.0, 0.5, 1.0))) != []


def test_where_no_spacing_is_stored_shapes_decide() -> None:
    png = Geometry((10, 20, 30), (1.0, 1.0, 1.0), has_spacing=False)
    assert describe_differences(png, ONE) == []
    assert describe_differences(png, replace(ONE, shape=(10, 20, 31))) != []


def test_orientation_names_where_x_y_and_z_grow() -> None:
    assert ONE.orientation == "LPS"
    assert replace(ONE, direction=(-1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0)).orientation == "RIP"


def test_a_volume_follows_from_spacing_and_from_nothing_else() -> None:
    assert ONE.voxel_volume_ml == pytest.approx(0.0025)
    assert math.isnan(replace(ONE, has_spacing=False).voxel_volume_ml)
