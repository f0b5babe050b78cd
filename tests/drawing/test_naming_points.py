"""Names of points cover as little as can be."""

from __future__ import annotations

from autoseg.drawing.naming_points import _choose_box, _overlap


def test_name_of_a_point_avoids_what_is_taken() -> None:
    taken = [(95.0, 95.0, 105.0, 105.0), (106.0, 80.0, 200.0, 120.0)]
    box = _choose_box((100.0, 100.0), (40.0, 10.0), (0.0, 0.0, 300.0, 300.0), (taken, []), 1.0)
    assert not any(_overlap(box, other) for other in taken)
    assert box[2] < 100
    assert _overlap((0, 0, 2, 2), (1, 1, 3, 4)) == 1
