"""How do intensities become numbers that a network can learn from?

Source: Isensee et al., Nature Methods 2021; method part 2. A scheme is a function of one channel, its mask and its
part of the plan; a new scheme is one function and one line in `SCHEMES`, or a person's own function by dotted path.

Two schemes use the dataset's foreground: `ct`, and `dataset_percentile_clip`. The others measure the case itself, or
nothing. `robust` has no form for a dataset: a fingerprint's `Intensities` hold a median, but no quartiles.
Where the plan says `inside_mask`, `zscore`, `percentile_clip`, `robust`, `histogram_equalization` and `clahe` take
their statistics inside the mask alone and set everything outside to zero. The others map a value to the same number
wherever it lies and do not look at the mask: `ct`, `dataset_percentile_clip`, `rgb` and `none` measure nothing in the
case, and `rescale` takes the range of the whole crop, as in nnU-Net. A channel without contrast becomes zero under
every scheme that measures the case, never NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps

import numpy as np

from autoseg.components import find_component, is_dotted
from autoseg.errors import PlanError
from autoseg.fingerprinting.fingerprint import Intensities
from autoseg.planning.plan import ChannelPlan
from autoseg.preprocessing.equalizing import SMALLEST_SPREAD, equalize_histogram, equalize_locally
from autoseg.serialization import did_you_mean

RGB_RANGE = 255.0
CLIPPED_AT = (0.5, 99.5)  # percentiles; as `ct` clips the dataset's foreground
QUARTILES = (25, 50, 75)
VALUES_AT_ONCE = 1 << 20  # for sums of squares

Array = np.ndarray
Scheme = Callable[[Array, Array, ChannelPlan], Array]
Change = Callable[[Array, ChannelPlan], Array]


def normalize(image: Array, mask: Array, channels: Sequence[ChannelPlan]) -> Array:
    """Normalise each channel by the scheme that the plan names.

    Args:
        image: (C, Z, Y, X), left as it is.
        mask: (Z, Y, X) boolean: where the image is non-zero.
        channels: one entry per channel.

    Returns:
        float32 array (C, Z, Y, X), contiguous.

    Raises:
        PlanError: a scheme that does not exist or returns something else than a channel, or one that needs
            the dataset's intensities without them.
    """
    result = np.array(image, dtype=np.float32, order="C")
    for channel, plan in zip(result, channels, strict=True):
        normalized = find_scheme(plan)(channel, mask, plan)
        channel[...] = _require_channel(normalized, channel, plan)
    return result


def find_scheme(plan: ChannelPlan) -> Scheme:
    """The function that a channel's plan names, by its name or by the dotted path of a person's own.

    Its arguments are the channel, float32 (Z, Y, X), which it may change, its mask and its part of the plan. Stored
    cases are found again by the path: whoever changes the function's code gives it another name, or stores them anew.

    Raises:
        PlanError: an unknown name, or nothing at the path.
    """
    name, where = plan.scheme.value, f"normalization of channel {plan.channel}"
    if is_dotted(name):
        own: Scheme = find_component(name, where=where)
        return own
    if name not in SCHEMES:
        raise PlanError(f"{where}: there is no scheme {name}.{did_you_mean(name, SCHEMES)}")
    return SCHEMES[name]


def _require_channel(normalized: object, channel: Array, plan: ChannelPlan) -> Array:
    """What a scheme returned, if it is a channel."""
    if isinstance(normalized, np.ndarray) and normalized.shape == channel.shape:
        return normalized
    came = f"shape {normalized.shape}" if isinstance(normalized, np.ndarray) else type(normalized).__name__
    raise PlanError(
        f"normalization of channel {plan.channel}: {plan.scheme.value} returned {came}, but a scheme returns an array "
        f"of the channel's shape {channel.shape}."
    )


def _inside_mask(change: Change) -> Scheme:
    """A scheme of what changes values wherever they lie: all voxels, or those inside the mask and zero outside."""

    @wraps(change)
    def scheme(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
        if not plan.inside_mask.value or mask.all():
            return change(channel, plan)
        inside = change(channel[mask], plan) if mask.any() else 0.0
        channel[...] = 0.0
        channel[mask] = inside
        return channel

    return scheme


def apply_ct(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
    """Clip to the dataset's foreground percentiles 0.5 and 99.5, subtract its mean, divide by its deviation."""
    facts = _require_intensities(plan)
    np.clip(channel, facts.percentile_00_5, facts.percentile_99_5, out=channel)
    channel -= facts.mean
    channel /= max(facts.std, SMALLEST_SPREAD)
    return channel


@_inside_mask
def apply_zscore(values: Array, plan: ChannelPlan) -> Array:
    """Subtract the case's mean, divide by its deviation."""
    values -= values.mean(dtype=np.float64)
    values /= max(_measure_spread(values), SMALLEST_SPREAD)
    return values


def apply_rescale(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
    """Map the range of the whole crop to 0..1."""
    return _map_range(channel, float(channel.min()), float(channel.max()))


def apply_rgb(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
    """Map 0..255 to 0..1."""
    channel /= RGB_RANGE
    return channel


def apply_none(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
    """Leave the intensities as they are."""
    return channel


@_inside_mask
def apply_percentile_clip(values: Array, plan: ChannelPlan) -> Array:
    """Clip to the case's percentiles 0.5 and 99.5 and map these to 0..1; its range, where the percentiles are equal."""
    low, high = (float(percentile) for percentile in np.percentile(values, CLIPPED_AT))
    if low == high:
        low, high = float(values.min()), float(values.max())
    return _map_range(values, low, high)


def apply_dataset_percentile_clip(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
    """Clip to the dataset's foreground percentiles 0.5 and 99.5 and map these to 0..1, the same in every case."""
    facts = _require_intensities(plan)
    return _map_range(channel, facts.percentile_00_5, facts.percentile_99_5)


@_inside_mask
def apply_robust(values: Array, plan: ChannelPlan) -> Array:
    """Subtract the case's median, divide by the range between its quartiles; by the root mean square of what is left,
    where the quartiles are equal, as in an image that is mostly background."""
    low, middle, high = (float(quartile) for quartile in np.percentile(values, QUARTILES))
    values -= middle
    spread = high - low if high > low else _measure_spread(values)
    values /= max(spread, SMALLEST_SPREAD)
    return values


@_inside_mask
def apply_histogram_equalization(values: Array, plan: ChannelPlan) -> Array:
    """Replace each value by the share of the case's values that lie below it: all greys from 0 to 1 equally often."""
    return equalize_histogram(values)


def apply_clahe(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
    """Equalise each neighbourhood, with limited contrast (CLAHE): 0..1. Where the plan says `inside_mask`, all that
    lies outside counts as the darkest grey inside, and becomes zero."""
    if not plan.inside_mask.value or mask.all():
        return equalize_locally(channel)
    darkest = channel[mask].min() if mask.any() else 0.0
    np.copyto(channel, darkest, where=~mask)
    channel = equalize_locally(channel)
    np.copyto(channel, 0.0, where=~mask)
    return channel


SCHEMES: dict[str, Scheme] = {
    "ct": apply_ct,
    "zscore": apply_zscore,
    "rescale": apply_rescale,
    "rgb": apply_rgb,
    "none": apply_none,
    "percentile_clip": apply_percentile_clip,
    "dataset_percentile_clip": apply_dataset_percentile_clip,
    "robust": apply_robust,
    "histogram_equalization": apply_histogram_equalization,
    "clahe": apply_clahe,
}


def _require_intensities(plan: ChannelPlan) -> Intensities:
    """The dataset's statistics. Raises PlanError if the plan has none."""
    facts = plan.intensities.value
    if facts is None:
        raise PlanError(
            f"normalization of channel {plan.channel}: scheme {plan.scheme.value} needs intensities, but the plan has "
            "none. Plan again with a fingerprint that measured foreground, or choose zscore."
        )
    return facts


def _map_range(values: Array, low: float, high: float) -> Array:
    """Clip to a range and map it to 0..1, in place."""
    np.clip(values, low, high, out=values)
    values -= low
    values /= max(high - low, SMALLEST_SPREAD)
    return values


def _measure_spread(values: Array) -> float:
    """Root mean square, in float64 without a float64 copy."""
    flat = values.reshape(-1)
    parts = (flat[start : start + VALUES_AT_ONCE] for start in range(0, flat.size, VALUES_AT_ONCE))
    return float(np.sqrt(sum(np.square(part, dtype=np.float64).sum() for part in parts) / flat.size))
