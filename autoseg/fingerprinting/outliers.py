"""Which cases and labels are unlike the others? Each kind of oddity is one sentence that names its cases.

What each kind means, and what to do about it, is told at length by `oddities`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from autoseg.data.annotated import find_unannotated
from autoseg.data.dataset import name_cases
from autoseg.data.labels import Labels
from autoseg.data.splits import N_FOLDS
from autoseg.fingerprinting.fingerprint import QUANTILE_LEVELS, CaseFacts, Oddity, SidePair
from autoseg.fingerprinting.sides import find_swapped_sides

SPACING_FACTOR = 3.0  # spacing of a case against the median of its axis, as `check` warns of it
EXTENT_FACTOR = 4.0  # mm that a case covers, likewise: beyond the difference of an abdomen and a whole body
SCALE_DECADES = 1.0  # a robust range ten times larger or smaller than the median's is a scale of its own
IN_ONE_PIECE = 0.9  # share of the cases in one piece that makes pieces a surprise
STRAY_SHARE = 0.001  # voxels of a stray piece against those of the largest, at most
TAIL_INDEX = QUANTILE_LEVELS.index(0.005)


def find_oddities(
    cases: Sequence[CaseFacts], *, channels: Sequence[str], labels: Labels, side_pairs: Sequence[SidePair] = ()
) -> tuple[Oddity, ...]:
    """Name the cases that differ from the others, and the labels that a person should think about."""
    return (
        *_odd_spacings(cases),
        *_odd_extents(cases),
        *_odd_orientations(cases),
        *_odd_dtypes(cases),
        *_empty_segmentations(cases),
        *(oddity for i, name in enumerate(channels) for oddity in _odd_scales(cases, i, name)),
        *(
            oddity
            for label in labels.foreground
            for oddity in _odd_label(_annotating(cases, labels, label), labels, label)
        ),
        *(oddity for pair in side_pairs for oddity in _odd_sides(cases, labels, pair)),
    )


def _about(kind: str, cases: Sequence[CaseFacts], text: str) -> Oddity:
    ids = tuple(facts.id for facts in cases)
    where = name_cases(ids)
    return Oddity(kind=kind, where=where, message=f"{where}: {text}", cases=ids)


def _odd_spacings(cases: Sequence[CaseFacts]) -> Iterator[Oddity]:
    spacings = np.array([facts.spacing_mm for facts in cases])
    for odd, first, median in _far_from_median(cases, spacings, SPACING_FACTOR):
        yield _about(
            "spacing",
            odd,
            f"{_of_the_first(odd)}spacing is {first} mm (z, y, x), but the median of all cases is {median}. "
            "Check the header or leave the case out.",
        )


def _odd_extents(cases: Sequence[CaseFacts]) -> Iterator[Oddity]:
    extents = np.array([np.multiply(facts.shape_after_cropping, facts.spacing_mm) for facts in cases])
    for odd, first, median in _far_from_median(cases, extents, EXTENT_FACTOR):
        yield _about(
            "extent",
            odd,
            f"{_of_the_first(odd)}image covers {first} mm (z, y, x), but the median of all cases is {median}. "
            "Does it show the same part of the body, and is its spacing right?",
        )


def _far_from_median(
    cases: Sequence[CaseFacts], values: np.ndarray, factor: float
) -> Iterator[tuple[list[CaseFacts], tuple[float, ...], tuple[float, ...]]]:
    """The cases beyond `factor` times the median along any axis, if there are any; the first one's values; the median.

    Args:
        values: (n_cases, 3), more than 0.
    """
    median = np.median(values, axis=0)
    is_odd = (np.maximum(values / median, median / values) > factor).any(axis=1)
    if is_odd.any():
        odd = [facts for facts, odd in zip(cases, is_odd, strict=True) if odd]
        yield odd, _four_digits(values[is_odd][0]), _four_digits(median)


def _of_the_first(odd: Sequence[CaseFacts]) -> str:
    return f"in {odd[0].id} the " if len(odd) > 1 else ""


def _four_digits(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in values)


def _odd_orientations(cases: Sequence[CaseFacts]) -> Iterator[Oddity]:
    counts = Counter(facts.orientation for facts in cases if facts.orientation).most_common()
    for orientation, n_cases in counts[1:]:
        odd = [facts for facts in cases if facts.orientation == orientation]
        yield _about(
            "orientation",
            odd,
            f"stored as {orientation}, but {counts[0][1]} of {len(cases)} cases are {counts[0][0]}. "
            f"Reorient {'them' if n_cases > 1 else 'it'} or check the header.",
        )


def _odd_dtypes(cases: Sequence[CaseFacts]) -> Iterator[Oddity]:
    counts = Counter(facts.dtype for facts in cases if facts.dtype).most_common()
    for dtype, n_cases in counts[1:]:
        odd = [facts for facts in cases if facts.dtype == dtype]
        yield _about(
            "dtype",
            odd,
            f"pixels are stored as {dtype}, but those of {counts[0][1]} of {len(cases)} cases as {counts[0][0]}. "
            f"{'Were they' if n_cases > 1 else 'Was it'} converted, and the intensities changed with it?",
        )


def _empty_segmentations(cases: Sequence[CaseFacts]) -> Iterator[Oddity]:
    odd = [facts for facts in cases if facts.label_voxels and not sum(facts.label_voxels)]
    if odd:
        yield _about("empty_segmentation", odd, "the segmentation holds no foreground. Is it finished?")


def _odd_scales(cases: Sequence[CaseFacts], channel: int, name: str) -> Iterator[Oddity]:
    """Cases whose middle 99% of foreground intensities span ten times more or less than the median case's."""
    ranges = [(facts, _robust_range(facts, channel)) for facts in cases if facts.foreground]
    known = [(facts, float(np.log10(span))) for facts, span in ranges if span > 0]
    median = float(np.median([decades for _, decades in known])) if known else 0.0
    odd = [(facts, decades) for facts, decades in known if abs(decades - median) > SCALE_DECADES]
    if odd:
        factors = sorted({f"{10 ** (decades - median):.2g}" for _, decades in odd}, key=float)
        span = factors[0] if len(factors) == 1 else f"{factors[0]} to {factors[-1]}"
        yield _about(
            "intensity_scale",
            [facts for facts, _ in odd],
            f"foreground intensities of {name} span {span} times the median case's range. "
            "Normalisation per case (z-score) copes; statistics of the dataset do not.",
        )


def _robust_range(facts: CaseFacts, channel: int) -> float:
    """From the 0.5th to the 99.5th percentile; the levels lie at the same place from either end."""
    quantiles = facts.foreground[channel].quantiles
    return float(quantiles[-1 - TAIL_INDEX] - quantiles[TAIL_INDEX])


def _annotating(cases: Sequence[CaseFacts], labels: Labels, label: int) -> list[CaseFacts]:
    """The cases whose reference would mark the label if it were there."""
    return [facts for facts in cases if label not in find_unannotated(facts.annotated, labels)]


def _odd_label(cases: Sequence[CaseFacts], labels: Labels, label: int) -> Iterator[Oddity]:
    """A label that few cases hold, and cases in which it comes in unusually many pieces."""
    index, name = label - 1, labels.names[label]
    measured = [facts for facts in cases if index < len(facts.label_voxels)]
    holding = [facts for facts in measured if facts.label_voxels[index]]
    if measured and not holding:
        yield Oddity(kind="rare_label", where=name, message=f"label {name}: no case holds it. Is its number right?")
    elif len(holding) < min(N_FOLDS, len(measured) / 2):
        ids = tuple(facts.id for facts in holding)
        text = f"label {name}: only {len(ids)} of {len(measured)} cases hold it ({name_cases(ids)})"
        yield Oddity(
            kind="rare_label", where=name, message=f"{text}. Some folds train or validate without it.", cases=ids
        )
    yield from _stray_pieces([facts for facts in holding if index < len(facts.label_components)], index, name)


def _stray_pieces(holding: Sequence[CaseFacts], index: int, name: str) -> Iterator[Oddity]:
    pieces = [facts.label_components[index] for facts in holding]
    n_whole = sum(piece.n == 1 for piece in pieces)
    odd = [
        facts
        for facts, piece in zip(holding, pieces, strict=True)
        if piece.n > 1 and piece.smallest_voxels <= STRAY_SHARE * piece.largest_voxels
    ]
    if odd and n_whole >= IN_ONE_PIECE * len(holding):
        first = odd[0].label_components[index]
        yield _about(
            "stray_pieces",
            odd,
            f"{_of_the_first(odd)}label {name} comes in {first.n} pieces, the smallest of {first.smallest_voxels} and "
            f"the largest of {first.largest_voxels} voxels, but in {n_whole} of {len(holding)} cases in one. "
            "Are there stray voxels?",
        )


def _odd_sides(cases: Sequence[CaseFacts], labels: Labels, pair: SidePair) -> Iterator[Oddity]:
    if pair.by == "position":
        yield Oddity(
            kind="side_pair",
            where=f"{pair.left}, {pair.right}",
            message=f"labels {pair.left} and {pair.right}: in {pair.share_of_cases:.0%} of the cases they lie to the "
            "left and to the right like mirror images, so that axis is not mirrored. Are they not a pair? Then set "
            "mirroring_axes by hand.",
        )
    swapped = set(find_swapped_sides(cases, labels, pair))
    if swapped:
        yield _about(
            "swapped_sides",
            [facts for facts in cases if facts.id in swapped],
            f"by the header, {pair.left} lies on the patient's right of {pair.right}. "
            "Check the orientation in the header and the labels.",
        )
