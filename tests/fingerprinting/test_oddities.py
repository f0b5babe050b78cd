"""Is every kind of oddity explained?"""

from __future__ import annotations

import re
from pathlib import Path

from autoseg.data.labels import Labels
from autoseg.fingerprinting import nnunet_fingerprint, outliers
from autoseg.fingerprinting.fingerprint import CaseFacts, Fingerprint, Oddity
from autoseg.fingerprinting.oddities import KINDS, UNKNOWN, explain_oddities


def with_warnings(*warnings: object) -> Fingerprint:
    case = CaseFacts(spacing_mm=(3, 1, 1), shape_after_cropping=(10, 20, 30))
    labels = Labels(names=("background", "organ"), values=(0, 1))
    return Fingerprint(dataset="Any", channels=("CT",), labels=labels, cases=(case,), warnings=warnings)


def test_a_warning_is_explained_with_what_to_do() -> None:
    (row,) = explain_oddities(with_warnings(Oddity(kind="dtype", where="a", message="a: is odd.", cases=("a",))))
    assert (row.kind, row.where, row.message, row.cases) == ("dtype", "a", "a: is odd.", ("a",))
    assert (row.meaning, row.remedy) == (KINDS["dtype"].meaning, KINDS["dtype"].remedy)


def test_a_sentence_of_an_older_file_is_kept_as_it_is() -> None:
    (row,) = explain_oddities(with_warnings("a, b: spacing is odd."))
    assert (row.message, row.meaning) == ("a, b: spacing is odd.", UNKNOWN.meaning)


def test_every_kind_that_can_be_found_has_an_entry_and_every_entry_can_be_found() -> None:
    sources = [Path(module.__file__).read_text(encoding="utf-8") for module in (outliers, nnunet_fingerprint)]
    found = {kind for text in sources for kind in re.findall(r'(?:kind=|_about\(\s*)"(\w+)"', text)}
    assert found == set(KINDS)
