"""Which cases are unlike the others? Each kind of oddity is one sentence that names its cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from autoseg.data.checking import find_spacing_outliers
from autoseg.data.dataset import name_cases
from autoseg.fingerprinting.fingerprint import QUANTILE_LEVELS, CaseFacts

SCALE_DECADES = 1.0  # a robust range ten times larger or smaller than the median's is a scale of its own
TAIL_INDEX = QUANTILE_LEVELS.index(0.005)


def describe_outliers(cases: Sequence[CaseFacts], channels: Sequence[str]) -> tuple[str, ...]:
    """Name the cases that differ from the others in spacing, orientation, intensity scale or foreground."""
    return (
        *_odd_spacings(cases),
        *_odd_orientations(cases),
        *_empty_segmentations(cases),
        *(sentence for i, name in enumerate(channels) for sentence in _odd_scales(cases, i, name)),
    )


def _odd_spacings(cases: Sequence[CaseFacts]) -> Iterator[str]:
    odd = find_spacing_outliers({facts.id: facts.spacing_mm for facts in cases})
    if odd:
        first, text = next(iter(odd.items()))
        yield f"{name_cases(odd)}: {'in ' + first + ' the ' if len(odd) > 1 else ''}{text}"


def _odd_orientations(cases: Sequence[CaseFacts]) -> Iterator[str]:
    counts = Counter(facts.orientation for facts in cases).most_common()
    for orientation, n_cases in counts[1:]:
        ids = [facts.id for facts in cases if facts.orientation == orientation]
        yield (
            f"{name_cases(ids)}: stored as {orientation}, but {counts[0][1]} of {len(cases)} cases are {counts[0][0]}. "
            f"Reorient {'them' if n_cases > 1 else 'it'} or check the header."
        )


def _empty_segmentations(cases: Sequence[CaseFacts]) -> Iterator[str]:
    ids = [facts.id for facts in cases if not sum(facts.label_voxels)]
    if ids:
        yield f"{name_cases(ids)}: the segmentation holds no foreground. Is it finished?"


def _odd_scales(cases: Sequence[CaseFacts], channel: int, name: str) -> Iterator[str]:
    """Cases whose middle 99% of foreground intensities span ten times more or less than the median case's."""
    ranges = {facts.id: _robust_range(facts, channel) for facts in cases if facts.foreground}
    known = {case_id: np.log10(span) for case_id, span in ranges.items() if span > 0}
    if not known:
        return
    median = float(np.median(list(known.values())))
    ids = [case_id for case_id, decades in known.items() if abs(decades - median) > SCALE_DECADES]
    if ids:
        factors = sorted({f"{10 ** (known[case_id] - median):.2g}" for case_id in ids}, key=float)
        span = factors[0] if len(factors) == 1 else f"{factors[0]} to {factors[-1]}"
        yield (
            f"{name_cases(ids)}: foreground intensities of {name} span {span} times the median case's range. "
            "Normalisation per case (z-score) copes; statistics of the dataset do not."
        )


def _robust_range(facts: CaseFacts, channel: int) -> float:
    """From the 0.5th to the 99.5th percentile; the levels lie at the same place from either end."""
    quantiles = facts.foreground[channel].quantiles
    return float(quantiles[-1 - TAIL_INDEX] - quantiles[TAIL_INDEX])
