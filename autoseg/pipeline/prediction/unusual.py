"""What about a new image is unlike anything in training, and which of its labels are likely worse than usual?

One sentence for each: spacing, orientation, extent, the intensities of each channel, channels without content, and
labels that are doubtful or missing. Nothing is refused: a person may know better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from autoseg.data.case import LoadedCase
from autoseg.data.geometry import Geometry
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.pipeline.prediction.confidence_file import LESS_CERTAIN, ConfidenceRow

SPACING_FACTOR = 1.5  # beyond the training range by this much is worth a word
EXTENT_FACTOR = 2.0  # likewise; a longer scan is common, a fourth of the body is not
INTENSITY_SLACK = 0.5  # of the training range, likewise
LEAST_CASES = 3  # of training; fewer do not tell what is always there
MOST_NAMED = 8  # labels in one sentence


def find_unusual(loaded: LoadedCase, fingerprint: Fingerprint | None) -> tuple[str, ...]:
    """Say what about an image training never saw; one sentence each, which begins with the case."""
    found: list[str | None] = [*find_empty_channels(loaded.image)]
    if fingerprint is not None:
        found += [
            _find_unusual_spacing(loaded.geometry, fingerprint),
            _find_unusual_orientation(loaded.geometry, fingerprint),
            _find_unusual_extent(loaded.geometry, fingerprint),
            *_find_unusual_intensities(loaded.image, fingerprint),
        ]
    return tuple(f"{loaded.id}: {sentence}" for sentence in found if sentence)


def find_doubts(rows: Sequence[ConfidenceRow], low_dice: Mapping[str, float]) -> Iterator[str]:
    """Say which labels are expected to be worse than nine in ten cases of the cross-validation, or less sure than all.

    Args:
        rows: of a predicted case.
        low_dice: by label, the lower decile of Dice over the cross-validation.
    """
    for row in rows:
        if LESS_CERTAIN in row.note:
            yield f"{row.case}: {row.label} is {LESS_CERTAIN}."
        elif row.predicted_dice is not None and row.predicted_dice < low_dice.get(row.label, 0.0):
            yield (
                f"{row.case}: {row.label} is likely worse than usual: its expected Dice is {row.predicted_dice:.2f}, "
                f"and one in ten cases of the cross-validation lay below {low_dice[row.label]:.2f}. Look at it."
            )


def find_missing(case_id: str, n_voxels: Mapping[str, int], fingerprint: Fingerprint | None) -> Iterator[str]:
    """Say what every training case held and this prediction does not.

    Args:
        n_voxels: of each label or region of the segmentation that is written.
        fingerprint: of the training cases; without it nothing is known to be missing.
    """
    always = set() if fingerprint is None else find_ever_present(fingerprint)
    missing = [name for name, n in n_voxels.items() if n == 0 and name in always]
    if missing and not any(n_voxels.values()):
        yield f"{case_id}: nothing is predicted at all, but every training case held {_list(missing)}. Look at it."
    elif missing:
        yield f"{case_id}: nothing is predicted of {_list(missing)}, which every training case held. Look at it."


def find_ever_present(fingerprint: Fingerprint) -> set[str]:
    """Labels or regions that every training case held whose reference annotates them."""
    found = set()
    for name, its in fingerprint.labels.targets:
        counts = [
            sum(case.label_voxels[label - 1] for label in its if label)
            for case in fingerprint.cases
            if case.label_voxels and (case.annotated is None or name in case.annotated)
        ]
        if len(counts) >= LEAST_CASES and all(counts):
            found.add(name)
    return found


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more labels"


def find_empty_channels(image: np.ndarray) -> list[str]:
    """Channels (of C, Z, Y, X) that show one value everywhere."""
    values = [float(channel.flat[0]) for channel in image]
    return [
        f"channel {number} is {value:g} everywhere: it shows nothing. Was it exported as it should be?"
        for number, (channel, value) in enumerate(zip(image, values, strict=True))
        if all(bool((plane == value).all()) for plane in channel)
    ]


def _find_unusual_spacing(geometry: Geometry, fingerprint: Fingerprint) -> str | None:
    spacing = np.array(geometry.spacing)
    low, high = fingerprint.spacings_mm.min(0), fingerprint.spacings_mm.max(0)
    if np.all(spacing >= low / SPACING_FACTOR) and np.all(spacing <= high * SPACING_FACTOR):
        return None
    seen = f"{low.round(3).tolist()} to {high.round(3).tolist()}"
    return f"spacing {spacing.round(3).tolist()} mm (z, y, x); training saw {seen}."


def _find_unusual_orientation(geometry: Geometry, fingerprint: Fingerprint) -> str | None:
    seen = {case.orientation for case in fingerprint.cases if case.orientation}
    if not seen or geometry.orientation in seen:
        return None
    return (
        f"orientation {geometry.orientation}; training saw {', '.join(sorted(seen))}. Reorient the image, or "
        "check the result closely."
    )


def _find_unusual_extent(geometry: Geometry, fingerprint: Fingerprint) -> str | None:
    """Millimetres that it covers, before cropping; cases that tell only of their crop count with that."""
    shapes = np.array([case.shape or case.shape_after_cropping for case in fingerprint.cases])
    extents = shapes * fingerprint.spacings_mm
    extent = np.array(geometry.shape) * np.array(geometry.spacing)
    low, high = extents.min(0), extents.max(0)
    if np.all(extent >= low / EXTENT_FACTOR) and np.all(extent <= high * EXTENT_FACTOR):
        return None
    seen = f"{low.round(1).tolist()} to {high.round(1).tolist()}"
    return f"it covers {extent.round(1).tolist()} mm (z, y, x); training saw {seen}. Is it the same part of the body?"


def _find_unusual_intensities(image: np.ndarray, fingerprint: Fingerprint) -> Iterator[str]:
    """Channels whose brightest or darkest voxels lie beyond all that training saw, by more than half of its range."""
    ranges = np.array([case.channel_ranges for case in fingerprint.cases if case.channel_ranges])
    if not ranges.size:
        return
    low, high = ranges[..., 0].min(0), ranges[..., 1].max(0)
    slack = INTENSITY_SLACK * (high - low)
    values = image.reshape(len(image), -1)
    for channel, (darkest, brightest) in enumerate(zip(values.min(1), values.max(1), strict=True)):
        if darkest < low[channel] - slack[channel] or brightest > high[channel] + slack[channel]:
            yield (
                f"channel {channel} reaches from {darkest:g} to {brightest:g}; training saw {low[channel]:g} to "
                f"{high[channel]:g}. Is it in the unit that training images were in?"
            )
