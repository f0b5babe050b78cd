"""How do intensities become numbers that a network can learn from?

Source: Isensee et al., Nature Methods 2021; method part 2. A scheme is a function of one channel, its mask and its
part of the plan; a new scheme is one function and one line in `SCHEMES`, or a person's own function by dotted path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from autoseg.components import find_component, is_dotted
from autoseg.errors import PlanError
from autoseg.planning.plan import ChannelPlan
from autoseg.serialization import did_you_mean

SMALLEST_SPREAD = 1e-8  # a constant channel becomes zero, not infinite (borrowed from nnU-Net)
RGB_RANGE = 255.0

Array = np.ndarray
Scheme = Callable[[Array, Array, ChannelPlan], Array]


def normalize(image: Array, mask: Array, channels: Sequence[ChannelPlan]) -> Array:
    """Normalise each channel by the scheme that the plan names.

    Args:
        image: (C, Z, Y, X), left as it is.
        mask: (Z, Y, X) boolean: where the image is non-zero.
        channels: one entry per channel.

    Returns:
        float32 array (C, Z, Y, X), contiguous.

    Raises:
        PlanError: a scheme that does not exist or returns something else than a channel, or `ct` without intensities.
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


def apply_ct(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
    """Clip to the dataset's foreground percentiles 0.5 and 99.5, subtract its mean, divide by its deviation."""
    facts = plan.intensities.value
    if facts is None:
        raise PlanError(
            f"normalization of channel {plan.channel}: scheme ct needs intensities, but the plan has none. "
            "Plan again with a fingerprint that measured foreground, or choose zscore."
        )
    np.clip(channel, facts.percentile_00_5, facts.percentile_99_5, out=channel)
    channel -= facts.mean
    channel /= max(facts.std, SMALLEST_SPREAD)
    return channel


def apply_zscore(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
    """Subtract the case's mean, divide by its deviation; only inside the mask if the plan says so (outside is zero)."""
    if not plan.inside_mask.value:
        return _standardize(channel)
    channel[~mask] = 0.0
    if mask.any():
        channel[mask] = _standardize(channel[mask])
    return channel


def apply_rescale(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
    """Map the case's range to 0..1."""
    channel -= channel.min()
    channel /= max(float(channel.max()), SMALLEST_SPREAD)
    return channel


def apply_rgb(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
    """Map 0..255 to 0..1."""
    channel /= RGB_RANGE
    return channel


def apply_none(channel: Array, mask: Array, plan: ChannelPlan) -> Array:
    """Leave the intensities as they are."""
    return channel


SCHEMES: dict[str, Scheme] = {
    "ct": apply_ct,
    "zscore": apply_zscore,
    "rescale": apply_rescale,
    "rgb": apply_rgb,
    "none": apply_none,
}


def _standardize(values: Array) -> Array:
    """Zero mean and unit deviation, in place; the sums run in float64, the values stay float32."""
    values -= values.mean(dtype=np.float64)
    spread = float(np.sqrt(np.square(values).mean(dtype=np.float64)))
    values /= max(spread, SMALLEST_SPREAD)
    return values
