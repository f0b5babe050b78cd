"""Are left and right labels told by names and positions, with the axis between them, and never by accident?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from autoseg.data.labels import Labels, Region
from autoseg.data.layouts import read_dataset
from autoseg.data.phantom import write_phantom_dataset
from autoseg.fingerprinting.fingerprint import CaseFacts, SidePair
from autoseg.fingerprinting.measuring import measure_fingerprint
from autoseg.fingerprinting.sides import find_side_pairs, find_swapped_sides

NAMED = Labels(names=("background", "kidney_left", "kidney_right"), values=(0, 1, 2))
UNNAMED = Labels(names=("background", "label1", "label2"), values=(0, 1, 2))
MIDDLE = np.array([10.0, 50.0, 60.0])  # voxels (z, y, x) of a volume of 20 x 100 x 120


def lay(
    offset_mm: Sequence[float], *, n_cases: int = 12, orientation: str = "LPS", ratio: float = 1.0
) -> list[CaseFacts]:
    """Cases in which the second label lies `offset_mm` (z, y, x) from the first, more or less."""
    rng = np.random.default_rng(0)
    spacing = np.array([5.0, 0.8, 1.5])
    cases = []
    for index in range(n_cases):
        halves = (np.array(offset_mm) + rng.normal(0, 3, size=3)) / spacing / 2
        cases.append(
            CaseFacts(
                id=f"case_{index:02}",
                shape=(20, 100, 120),
                shape_after_cropping=(20, 90, 110),
                spacing_mm=tuple(spacing),
                orientation=orientation,
                label_voxels=(1000, round(1000 * ratio)),
                label_centres=(tuple(MIDDLE - halves), tuple(MIDDLE + halves)),
            )
        )
    return cases


def test_names_alone_give_the_axis_that_headers_call_lateral() -> None:
    cases = [CaseFacts(spacing_mm=(5, 1, 1), shape_after_cropping=(9, 64, 64), orientation="PIR")]
    assert find_side_pairs(cases, NAMED) == (SidePair(left="kidney_left", right="kidney_right", axis=0, by="name"),)
    unknown = [CaseFacts(spacing_mm=(5, 1, 1), shape_after_cropping=(9, 64, 64))]
    assert find_side_pairs(unknown, NAMED)[0].axis == 2


@pytest.mark.parametrize(("offset", "axis"), [((60, 5, 5), 0), ((5, -60, 5), 1), ((5, 5, -60), 2)])
def test_positions_say_the_axis_of_a_named_pair_whatever_the_header_says(offset: tuple[int, ...], axis: int) -> None:
    (pair,) = find_side_pairs(lay(offset), NAMED)
    assert (pair.axis, pair.by, pair.share_of_cases) == (axis, "name and position", 1.0)


def test_a_named_pair_that_lies_askew_is_still_a_pair() -> None:
    (pair,) = find_side_pairs(lay((40, 40, 40)), NAMED)
    assert (pair.axis, pair.by) == (2, "name")


@pytest.mark.parametrize(("orientation", "left"), [("LPS", "label2"), ("RAS", "label1")])
def test_unnamed_labels_are_a_pair_if_they_lie_like_mirror_images(orientation: str, left: str) -> None:
    """Larger x is the patient's left in LPS and the right in RAS; the second label is at the larger x."""
    (pair,) = find_side_pairs(lay((4, 4, 60), orientation=orientation), UNNAMED)
    assert (pair.left, pair.axis, pair.by, pair.share_of_cases) == (left, 2, "position", 1.0)


@pytest.mark.parametrize(
    "cases",
    [
        lay((4, 4, 60), n_cases=9),
        lay((4, 4, 60), ratio=1.6),
        lay((4, 4, 60), orientation=""),
        lay((4, 60, 4)),
        lay((4, 40, 60)),
        lay((0, 0, 0)),
        [*lay((4, 4, 60)), *lay((4, 4, -60), n_cases=2)],
    ],
    ids=["few cases", "unlike sizes", "no header", "front and back", "askew", "in one place", "changing sides"],
)
def test_positions_that_leave_a_doubt_make_no_pair(cases: list[CaseFacts]) -> None:
    assert find_side_pairs(cases, UNNAMED) == ()


def test_each_unnamed_label_goes_to_the_one_that_is_most_alike() -> None:
    labels = Labels(names=("background", "a", "b", "c", "d"), values=(0, 1, 2, 3, 4))
    larger = {"label_voxels": (1000, 1400, 1000, 1400)}
    cases = [
        facts.model_copy(update={**larger, "label_centres": (first, first, second, second)})
        for facts in lay((4, 4, 60))
        for first, second in [facts.label_centres]
    ]
    pairs = {frozenset((pair.left, pair.right)) for pair in find_side_pairs(cases, labels)}
    assert pairs == {frozenset("ac"), frozenset("bd")}


def test_a_left_label_on_the_right_is_named() -> None:
    cases = [*lay((4, 4, -60)), *(c.model_copy(update={"id": "odd"}) for c in lay((4, 4, 60), n_cases=1))]
    (pair,) = find_side_pairs(cases, NAMED)
    assert pair.share_of_cases == 1.0
    assert find_swapped_sides(cases, NAMED, pair) == ("odd",)


def test_two_organs_of_a_body_are_no_sides(tmp_path: Path) -> None:
    write_phantom_dataset(tmp_path, n_cases=12, n_test=0)
    assert measure_fingerprint(read_dataset(tmp_path)).side_pairs == ()


def test_regions_are_a_pair_by_their_names() -> None:
    """Their labels, organ and tumour of each side, say nothing by names."""
    left, right = (
        Region(name=f"{side}_kidney", labels=(a, a + 1), paints=a) for side, a in (("left", 1), ("right", 3))
    )
    names = ("background", "label_1", "label_2", "label_3", "label_4")
    labels = Labels(names=names, values=(0, 1, 2, 3, 4), regions=(left, right))
    cases = [CaseFacts(spacing_mm=(5, 1, 1), shape_after_cropping=(9, 64, 64), orientation="PIR")]
    (pair,) = find_side_pairs(cases, labels)
    assert pair == SidePair(left="left_kidney", right="right_kidney", axis=0, by="name")
    assert find_swapped_sides(cases, labels, pair) == ()
