"""How is each channel normalised? The order of the choices for one channel, and what its rules are asked with."""

from __future__ import annotations

import numpy as np

from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.pinning import Pins
from autoseg.planning.plan import ChannelPlan
from autoseg.planning.rules.normalization import decide_inside_mask, decide_intensities, decide_scheme
from autoseg.planning.walking import name_channels


def plan_channels(fingerprint: Fingerprint, pins: Pins, *, as_published: bool) -> tuple[ChannelPlan, ...]:
    """Normalisation of every channel, in their order."""
    places = [f"normalization.{key}" for key in name_channels(fingerprint.channels)]
    return tuple(
        _plan_channel(fingerprint, index, pins.below(place), as_published=as_published)
        for index, place in enumerate(places)
    )


def _plan_channel(fingerprint: Fingerprint, index: int, pins: Pins, *, as_published: bool) -> ChannelPlan:
    channel = fingerprint.channels[index]
    intensities = fingerprint.intensities[index] if index < len(fingerprint.intensities) else None
    typical_range = _find_typical_range(fingerprint, index)
    rule = decide_scheme(
        channel=channel,
        intensities=intensities,
        typical_range=typical_range,
        is_measured=bool(fingerprint.intensities),
        published_names_only=as_published,
    )
    scheme = pins.obey("scheme", rule)
    statistics = decide_intensities(scheme=scheme.value, intensities=intensities, typical_range=typical_range)
    share = fingerprint.median_share_after_cropping
    return ChannelPlan(
        channel=channel,
        scheme=scheme,
        inside_mask=pins.obey(
            "inside_mask", decide_inside_mask(scheme=scheme.value, median_share_after_cropping=share)
        ),
        intensities=pins.obey("intensities", statistics),
    )


def _find_typical_range(fingerprint: Fingerprint, index: int) -> tuple[float, float] | None:
    """Median over cases of a channel's (min, max), None where it was not measured."""
    ranges = [case.channel_ranges[index] for case in fingerprint.cases if index < len(case.channel_ranges)]
    if not ranges:
        return None
    low, high = np.median(np.array(ranges), axis=0)
    return float(low), float(high)
