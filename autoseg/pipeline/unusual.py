"""What about a new image is unlike anything in training?"""

from __future__ import annotations

import numpy as np

from autoseg.data.case import LoadedCase
from autoseg.fingerprinting.fingerprint import Fingerprint

SPACING_FACTOR = 1.5  # beyond the training range by this much is worth a word
INTENSITY_SLACK = 0.5  # of the training range, likewise


def find_unusual(loaded: LoadedCase, fingerprint: Fingerprint | None) -> tuple[str, ...]:
    """Say what about an image training never saw: its spacing, its orientation or its intensities."""
    if fingerprint is None:
        return ()
    found = (
        _find_unusual_spacing(loaded, fingerprint),
        _find_unusual_orientation(loaded, fingerprint),
        _find_unusual_intensities(loaded, fingerprint),
    )
    return tuple(f"{loaded.id}: {sentence}" for sentence in found if sentence)


def _find_unusual_spacing(loaded: LoadedCase, fingerprint: Fingerprint) -> str | None:
    spacing = np.array(loaded.geometry.spacing)
    low, high = fingerprint.spacings_mm.min(0), fingerprint.spacings_mm.max(0)
    if np.all(spacing >= low / SPACING_FACTOR) and np.all(spacing <= high * SPACING_FACTOR):
        return None
    seen = f"{low.round(3).tolist()} to {high.round(3).tolist()}"
    return f"spacing {spacing.round(3).tolist()} mm (z, y, x); training saw {seen}."


def _find_unusual_orientation(loaded: LoadedCase, fingerprint: Fingerprint) -> str | None:
    seen = {case.orientation for case in fingerprint.cases if case.orientation}
    if not seen or loaded.geometry.orientation in seen:
        return None
    return (
        f"orientation {loaded.geometry.orientation}; training saw {', '.join(sorted(seen))}. Reorient the image, or "
        "check the result closely."
    )


def _find_unusual_intensities(loaded: LoadedCase, fingerprint: Fingerprint) -> str | None:
    """Brightest or darkest voxels beyond all that training saw, by more than half of its range."""
    ranges = np.array([case.channel_ranges for case in fingerprint.cases if case.channel_ranges])
    if not ranges.size:
        return None
    low, high = ranges[..., 0].min(0), ranges[..., 1].max(0)
    slack = INTENSITY_SLACK * (high - low)
    values = loaded.image.reshape(len(loaded.image), -1)
    for channel, (darkest, brightest) in enumerate(zip(values.min(1), values.max(1), strict=True)):
        if darkest < low[channel] - slack[channel] or brightest > high[channel] + slack[channel]:
            return (
                f"channel {channel} reaches from {darkest:g} to {brightest:g}; training saw {low[channel]:g} to "
                f"{high[channel]:g}. Is it in the unit that training images were in?"
            )
    return None
