"""What about a new image is unlike anything in training, and which of its labels are likely worse than usual?

One sentence for each: number of channels, spacing, orientation, extent, intensities, and channels without content.
Nothing is refused: a person may know better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from autoseg.data.case import LoadedCase
from autoseg.data.geometry import Geometry
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.pipeline.prediction.confidence_file import ConfidenceRow

SPACING_FACTOR = 1.5  # beyond the training range by this much is worth a word
EXTENT_FACTOR = 2.0  # likewise; a longer scan is common, a fourth of the body is not
INTENSITY_SLACK = 0.5  # of the training range, likewise


def find_unusual(loaded: LoadedCase, fingerprint: Fingerprint | None) -> tuple[str, ...]:
    """Say what about an image training never saw; one sentence each, which begins with the case."""
    found: list[str | None] = [*find_empty_channels(loaded.image)]
    if fingerprint is not None:
        found += [
            _find_unusual_spacing(loaded.geometry, fingerprint),
            _find_unusual_orientation(loaded.geometry, fingerprint),
            _find_unusual_extent(loaded.geometry, fingerprint),
            _find_unusual_intensities(loaded.image, fingerprint),
        ]
    return tuple(f"{loaded.id}: {sentence}" for sentence in found if sentence)


def find_doubts(rows: Sequence[ConfidenceRow], low_dice: Mapping[str, float]) -> Iterator[str]:
    """Say which labels are expected to be worse than nine in ten cases of the cross-validation.

    Args:
        rows: of a predicted case.
        low_dice: by label, the lower decile of Dice over the cross-validation.
    """
    for row in rows:
        if row.predicted_dice is not None and row.predicted_dice < low_dice.get(row.label, 0.0):
            yield (
                f"{row.case}: {row.label} is likely worse than usual: its expected Dice is {row.predicted_dice:.2f}, "
                f"and one in ten cases of the cross-validation lay below {low_dice[row.label]:.2f}. Look at it."
            )


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


def _find_unusual_intensities(image: np.ndarray, fingerprint: Fingerprint) -> str | None:
    """Brightest or darkest voxels beyond all that training saw, by more than half of its range."""
    ranges = np.array([case.channel_ranges for case in fingerprint.cases if case.channel_ranges])
    if not ranges.size:
        return None
    low, high = ranges[..., 0].min(0), ranges[..., 1].max(0)
    slack = INTENSITY_SLACK * (high - low)
    values = image.reshape(len(image), -1)
    for channel, (darkest, brightest) in enumerate(zip(values.min(1), values.max(1), strict=True)):
        if darkest < low[channel] - slack[channel] or brightest > high[channel] + slack[channel]:
            return (
                f"channel {channel} reaches from {darkest:g} to {brightest:g}; training saw {low[channel]:g} to "
                f"{high[channel]:g}. Is it in the unit that training images were in?"
            )
    return None
