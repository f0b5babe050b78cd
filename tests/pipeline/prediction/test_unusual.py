"""What is pointed out about an image, and what is not."""

from __future__ import annotations

import numpy as np

from autoseg.data.case import LoadedCase
from autoseg.data.geometry import Geometry
from autoseg.data.labels import Labels
from autoseg.fingerprinting.fingerprint import CaseFacts, Fingerprint
from autoseg.pipeline.prediction.confidence_file import LESS_CERTAIN, ConfidenceRow
from autoseg.pipeline.prediction.unusual import find_doubts, find_missing, find_unusual

SHAPE, SPACING = (20, 40, 30), (3.0, 1.0, 1.2)


def make_fingerprint() -> Fingerprint:
    facts = CaseFacts(
        id="a", shape=SHAPE, shape_after_cropping=(18, 30, 20), spacing_mm=SPACING, channel_ranges=((0.0, 100.0),)
    )
    labels = Labels(names=("background", "organ"), values=(0, 1))
    return Fingerprint(dataset="D", channels=("ct",), labels=labels, cases=(facts,))


def make_case(shape: tuple[int, int, int] = SHAPE, scale: float = 100.0) -> LoadedCase:
    image = np.linspace(0, scale, np.prod(shape), dtype=np.float32).reshape(1, *shape)
    return LoadedCase("new", image, None, Geometry(shape, SPACING), "float32")


def test_an_image_like_those_of_training_is_not_remarked_upon() -> None:
    assert find_unusual(make_case(), make_fingerprint()) == ()


def test_a_scan_of_a_small_part_of_the_body_is_pointed_out() -> None:
    (sentence,) = find_unusual(make_case((6, 40, 30)), make_fingerprint())
    assert sentence.startswith("new: it covers [18.0, 40.0, 36.0] mm (z, y, x); training saw [60.0, 40.0, 36.0]")


def test_a_constant_channel_is_pointed_out_without_a_fingerprint() -> None:
    case = make_case()
    case.image[...] = 7
    assert find_unusual(case, None) == (
        "new: channel 0 is 7 everywhere: it shows nothing. Was it exported as it should be?",
    )


def test_another_unit_of_intensities_is_pointed_out() -> None:
    (sentence,) = find_unusual(make_case(scale=1e4), make_fingerprint())
    assert "channel 0 reaches from 0 to 10000" in sentence


def test_a_label_below_the_lower_decile_of_the_cross_validation_is_doubted() -> None:
    rows = [ConfidenceRow(case="new", label=name, predicted_dice=dice) for name, dice in (("a", 0.6), ("b", 0.9))]
    (sentence,) = find_doubts([*rows, ConfidenceRow(case="new", label="c")], {"a": 0.7, "b": 0.8, "c": 0.5})
    assert sentence.startswith("new: a is likely worse than usual: its expected Dice is 0.60")


def test_every_odd_channel_is_pointed_out() -> None:
    fingerprint, case = make_fingerprint(), make_case(scale=1e4)
    facts = fingerprint.cases[0].model_copy(update={"channel_ranges": ((0.0, 100.0), (0.0, 50.0))})
    both = LoadedCase("new", np.repeat(case.image, 2, axis=0), None, case.geometry, "float32")
    found = find_unusual(both, fingerprint.model_copy(update={"cases": (facts,)}))
    assert [sentence[:14] for sentence in found] == ["new: channel 0", "new: channel 1"]


def test_a_label_less_certain_than_any_of_the_cross_validation_is_doubted() -> None:
    row = ConfidenceRow(case="new", label="a", predicted_dice=0.9, note=f"{LESS_CERTAIN}; 2 ml before postprocessing")
    (sentence,) = find_doubts([row], {"a": 0.7})
    assert sentence == f"new: a is {LESS_CERTAIN}."


def make_training(*voxels: tuple[int, int], annotated: tuple[tuple[str, ...] | None, ...] = ()) -> Fingerprint:
    (facts,), labels = make_fingerprint().cases, Labels(names=("background", "organ", "tumour"), values=(0, 1, 2))
    known = annotated or (None,) * len(voxels)
    cases = [
        facts.model_copy(update={"label_voxels": each, "annotated": names})
        for each, names in zip(voxels, known, strict=True)
    ]
    return Fingerprint(dataset="D", channels=("ct",), labels=labels, cases=tuple(cases))


def test_a_label_that_training_always_held_is_missed() -> None:
    training = make_training((9, 0), (8, 5), (7, 5))
    (sentence,) = find_missing("new", {"organ": 0, "tumour": 3}, training)
    assert sentence.startswith("new: nothing is predicted of organ, which every training case held")
    assert not list(find_missing("new", {"organ": 3, "tumour": 0}, training))
    (sentence,) = find_missing("new", {"organ": 0, "tumour": 0}, training)
    assert sentence.startswith("new: nothing is predicted at all")


def test_what_few_cases_held_or_annotate_is_not_missed() -> None:
    nothing = {"organ": 0, "tumour": 0}
    assert not list(find_missing("new", nothing, make_training((9, 1), (8, 1))))
    assert not list(find_missing("new", nothing, None))
    organ, both = ("organ",), ("organ", "tumour")
    partly = make_training((9, 0), (8, 5), (7, 5), (6, 5), annotated=(organ, both, both, both))
    assert "organ, tumour" in next(find_missing("new", nothing, partly))
