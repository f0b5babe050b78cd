"""Is each oddity named once, with its cases?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from autoseg.data.labels import Labels
from autoseg.fingerprinting.fingerprint import (
    QUANTILE_LEVELS,
    CaseFacts,
    Components,
    ForegroundSample,
    Oddity,
    SidePair,
)
from autoseg.fingerprinting.outliers import find_oddities

LABELS = Labels(names=("background", "organ"), values=(0, 1))
WHOLE = Components(n=1, largest_voxels=5000, smallest_voxels=5000)


def facts(case_id: str, *, scale: float = 1.0, **changes: Any) -> CaseFacts:
    sample = ForegroundSample(mean=0.5 * scale, std=scale, quantiles=tuple(scale * level for level in QUANTILE_LEVELS))
    usual = {
        "shape_after_cropping": (10, 20, 30),
        "spacing_mm": (3.0, 1.2, 1.0),
        "orientation": "LPS",
        "dtype": "int16",
    }
    labels = {"label_voxels": (5000,), "label_components": (WHOLE,), "label_centres": ((5.0, 10.0, 15.0),)}
    return CaseFacts(id=case_id, **{**usual, **labels, "foreground": (sample,), **changes})


def find(*odd: CaseFacts, labels: Labels = LABELS, side_pairs: Sequence[SidePair] = ()) -> tuple[Oddity, ...]:
    cases = [*(facts(f"usual_{i}") for i in range(10)), *odd]
    return find_oddities(cases, channels=["MRI"], labels=labels, side_pairs=side_pairs)


def empty(case_id: str) -> CaseFacts:
    nothing = {"label_voxels": (0,), "label_components": (Components(n=0),), "label_centres": (None,)}
    return facts(case_id, foreground=(), **nothing)


def test_equal_cases_are_no_outliers() -> None:
    assert find(facts("a", scale=9.9), facts("b", scale=0.11), facts("c", spacing_mm=(8.9, 1.2, 1.0))) == ()


@pytest.mark.parametrize(
    ("odd", "kind", "words"),
    [
        (
            facts("odd", spacing_mm=(30.0, 1.2, 1.0), shape_after_cropping=(1, 20, 30)),
            "spacing",
            "odd: spacing is (30.0, 1.2, 1.0) mm (z, y, x), but the median",
        ),
        (
            facts("odd", shape_after_cropping=(41, 20, 30)),
            "extent",
            "odd: image covers (123.0, 24.0, 30.0) mm (z, y, x), but the median of all cases is (30.0, 24.0, 30.0)",
        ),
        (facts("odd", shape_after_cropping=(10, 4, 30)), "extent", "odd: image covers (30.0, 4.8, 30.0) mm"),
        (facts("odd", orientation="RAS"), "orientation", "odd: stored as RAS, but 10 of 11 cases are LPS. Reorient it"),
        (facts("odd", dtype="uint8"), "dtype", "odd: pixels are stored as uint8, but those of 10 of 11 cases as int16"),
        (empty("odd"), "empty_segmentation", "odd: the segmentation holds no foreground"),
        (
            facts("odd", scale=100.0),
            "intensity_scale",
            "odd: foreground intensities of MRI span 1e+02 times the median case's range",
        ),
        (facts("odd", scale=0.01), "intensity_scale", "odd: foreground intensities of MRI span 0.01 times the median"),
        (
            facts("odd", label_components=(Components(n=3, largest_voxels=4997, smallest_voxels=1),)),
            "stray_pieces",
            "odd: label organ comes in 3 pieces, the smallest of 1 and the largest of 4997 voxels",
        ),
    ],
)
def test_an_odd_case_is_named(odd: CaseFacts, kind: str, words: str) -> None:
    found = {oddity.kind: oddity for oddity in find(odd)}
    assert set(found) - {"extent"} == {kind} - {"extent"}
    assert found[kind].message.startswith(words)
    assert (found[kind].where, found[kind].cases) == ("odd", ("odd",))


def test_many_odd_cases_are_counted_and_all_are_listed() -> None:
    (oddity,) = find(*(empty(f"odd_{i}") for i in range(8)))
    assert oddity.message.startswith("odd_0, odd_1, odd_2, odd_3, odd_4 and 3 more: ")
    assert oddity.cases == tuple(f"odd_{i}" for i in range(8))


def test_a_constant_foreground_has_no_scale() -> None:
    assert find(facts("flat", scale=0.0)) == ()


def test_facts_that_were_not_measured_are_not_odd() -> None:
    bare = [CaseFacts(spacing_mm=(3, 1, 1), shape_after_cropping=(10, 20, 30)) for _ in range(3)]
    assert find_oddities(bare, channels=["MRI"], labels=LABELS) == ()


@pytest.mark.parametrize(("n_holding", "words"), [(0, "no case holds it"), (4, "only 4 of 12 cases hold it"), (5, "")])
def test_a_label_that_fewer_cases_than_folds_hold_is_named(n_holding: int, words: str) -> None:
    labels = Labels(names=("background", "organ", "lesion"), values=(0, 1, 2))
    cases = [facts(f"c_{i}", label_voxels=(5000, 7 * (i < n_holding)), label_components=()) for i in range(12)]
    found = find_oddities(cases, channels=["MRI"], labels=labels)
    assert [(oddity.kind, oddity.where) for oddity in found] == [("rare_label", "lesion")] * bool(words)
    assert all(words in oddity.message and len(oddity.cases) == n_holding for oddity in found)


def test_a_pair_without_telling_names_and_swapped_sides_are_told() -> None:
    labels = Labels(names=("background", "a", "b"), values=(0, 1, 2))
    right, left = (5.0, 10.0, 5.0), (5.0, 10.0, 25.0)
    both = {"label_voxels": (9, 9), "label_components": ()}
    cases = [facts(f"c_{i}", label_centres=(left, right), **both) for i in range(10)]
    swapped = facts("odd", label_centres=(right, left), **both)
    pair = SidePair(left="a", right="b", axis=2, by="position", share_of_cases=0.97)
    found = find_oddities([*cases, swapped], channels=["MRI"], labels=labels, side_pairs=[pair])
    assert [(oddity.kind, oddity.where) for oddity in found] == [("side_pair", "a, b"), ("swapped_sides", "odd")]
    assert "97% of the cases" in found[0].message
    assert "by the header, a lies on the patient's right of b" in found[1].message


def test_a_label_that_few_cases_annotate_is_not_rare() -> None:
    """Three of nine cases annotate the lesion, and hold it; annotated or not, the organ is in all."""
    labels = Labels(names=("background", "organ", "lesion"), values=(0, 1, 2))
    some = {"label_components": (WHOLE, WHOLE), "label_centres": ((5.0, 10.0, 15.0),) * 2}
    holding = [facts(f"lesion_{i}", label_voxels=(5000, 5000), **some) for i in range(3)]
    without = {**some, "label_voxels": (5000, 0), "label_components": (WHOLE, Components(n=0))}
    others = [facts(f"organ_{i}", **without) for i in range(6)]
    marked = [case.model_copy(update={"annotated": ("organ",)}) for case in others]
    assert [oddity.kind for oddity in find_oddities([*holding, *others], channels=["MRI"], labels=labels)] == [
        "rare_label"
    ]
    assert find_oddities([*holding, *marked], channels=["MRI"], labels=labels) == ()
