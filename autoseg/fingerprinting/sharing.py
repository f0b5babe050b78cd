"""What of a fingerprint may leave the house?

A fingerprint holds no image, but names: ids of cases, which some hospitals make of patients' numbers, and names of
files with digests, by which someone who has the same file can recognise it. A plan needs neither.
"""

from __future__ import annotations

from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.fingerprinting.fingerprint_file import number_cases
from autoseg.fingerprinting.outliers import find_oddities


def anonymize(fingerprint: Fingerprint) -> Fingerprint:
    """The fingerprint with numbers in place of case ids, and without anything about files.

    The plan made from it is the same in every value; its `fingerprint_digest` is not.
    """
    cases = tuple(
        facts.model_copy(update={"id": case_id, "files": {}})
        for facts, case_id in zip(fingerprint.cases, number_cases(fingerprint.n_cases, "case"), strict=True)
    )
    warnings = find_oddities(
        cases, channels=fingerprint.channels, labels=fingerprint.labels, side_pairs=fingerprint.side_pairs
    )
    return fingerprint.model_copy(update={"cases": cases, "warnings": warnings, "listing": ""})
