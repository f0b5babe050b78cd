"""What is pointed out about an image, and what is not."""

from __future__ import annotations

import numpy as np

from autoseg.data.case import LoadedCase
from autoseg.data.geometry import Geometry
from autoseg.data.labels import Labels
from autoseg.fingerprinting.fingerprint import CaseFacts, Fingerprint
from autoseg.pipeline.prediction.confidence_file import ConfidenceRow
from autoseg.pipeline.prediction.unusual import find_doubts, find_unusual

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
