"""Does a fingerprint need no more than it says, and does its digest know all that a plan rests on?"""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from autoseg.data.labels import Labels
from autoseg.fingerprinting.fingerprint import FORMAT, CaseFacts, Fingerprint, Oddity, SidePair

PAIR = SidePair(left="a", right="b", axis=2, by="name")


def fingerprint(**changes: Any) -> Fingerprint:
    facts = {
        "dataset": "Any",
        "channels": ["CT"],
        "labels": Labels(names=("background", "a", "b"), values=(0, 1, 2)),
        "cases": [{"spacing_mm": [3, 0.8, 1.2], "shape_after_cropping": [40, 200, 180]}],
    }
    return Fingerprint(**{**facts, **changes})


def test_spacing_and_shape_are_all_that_a_case_needs() -> None:
    bare = fingerprint()
    assert (bare.n_cases, bare.autoseg_fingerprint, bare.cases[0].share_after_cropping) == (1, FORMAT, 1.0)
    assert bare.spacings_mm.tolist() == [[3, 0.8, 1.2]]


def test_the_digest_knows_side_pairs_but_neither_warnings_nor_the_listing() -> None:
    bare = fingerprint()
    assert fingerprint(side_pairs=[PAIR]).digest != bare.digest
    assert fingerprint(warnings=[Oddity(message="odd")], listing="other").digest == bare.digest


@pytest.mark.parametrize(
    "odd",
    [
        *({"spacing_mm": value} for value in ([1, 1], [0, 1, 1], [1, float("nan"), 1], ["1", 1, 1], 1.0, [1, 1, True])),
        *({"shape_after_cropping": value} for value in ([1, 1], [0, 1, 1], [1, 2.5, 1], [1, float("inf"), 1], None)),
    ],
)
def test_what_is_no_spacing_or_shape_is_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError, match=r"in the order \(z, y, x\)"):
        CaseFacts(**{"spacing_mm": (3, 1, 1), "shape_after_cropping": (9, 9, 9), **odd})
