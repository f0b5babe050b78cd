"""How strongly does an intensity transform change each channel of a patch?

batchgenerators draws strengths while it applies them, from two global generators. The training device applies the
transforms by itself and has to know the strengths before: here the same draws are taken in the same order, so that a
seed means the same strength to both engines. What a transform calls its strength stands in `STRENGTHS`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from autoseg.planning.choices import Transform

UNCHANGED = float("nan")  # the strength of a channel that is left alone

Shape = tuple[int, ...]


class _Draws:
    """The two generators as they are after both global ones have been seeded."""

    def __init__(self, seed: int) -> None:
        self.numpy = np.random.RandomState(seed)
        self.python = random.Random(seed)


def draw_strengths(name: str, seed: int, transform: Transform, n_channels: int, patch_size: Shape) -> list[float]:
    """The strength of a transform for each channel, `UNCHANGED` where it leaves one alone.

    Args:
        name: of the transform, as in `augmentation.INTENSITY_TRANSFORMS`.
        seed: of this transform of this patch, as in `Variation.intensity`.
        transform: range and probability per channel.
        n_channels: of the patch.
        patch_size: shape of the patch.
    """
    return STRENGTHS[name](_Draws(seed), transform, n_channels, patch_size)


def _draw_spreads(draws: _Draws, transform: Transform, n_channels: int, patch_size: Shape) -> list[float]:
    low, high = transform.range or (0.0, 0.0)
    spread = low if low == high else draws.python.uniform(low, high)
    spreads = []
    for _ in range(n_channels):
        changes = draws.numpy.uniform() < transform.probability_per_channel
        spreads.append(spread if changes else UNCHANGED)
        if changes and transform.probability_per_channel < 1.0:  # else no draw that matters comes after the noise
            draws.numpy.normal(size=patch_size)
    return spreads


def _draw_sigmas(draws: _Draws, transform: Transform, n_channels: int, patch_size: Shape) -> list[float]:
    low, high = transform.range or (0.0, 0.0)
    return [
        (low if low == high else draws.python.uniform(low, high))
        if draws.numpy.uniform() <= transform.probability_per_channel
        else UNCHANGED
        for _ in range(n_channels)
    ]


def _draw_multipliers(draws: _Draws, transform: Transform, n_channels: int, patch_size: Shape) -> list[float]:
    low, high = transform.range or (1.0, 1.0)
    draws.numpy.uniform(low, high)  # batchgenerators draws one for all channels first, and does not use it
    return [draws.numpy.uniform(low, high) for _ in range(n_channels)]


def _draw_contrasts(draws: _Draws, transform: Transform, n_channels: int, patch_size: Shape) -> list[float]:
    return [
        _draw_factor(draws, transform) if draws.numpy.uniform() < transform.probability_per_channel else UNCHANGED
        for _ in range(n_channels)
    ]


def _draw_zooms(draws: _Draws, transform: Transform, n_channels: int, patch_size: Shape) -> list[float]:
    low, high = transform.range or (1.0, 1.0)
    return [
        (low if low == high else draws.numpy.uniform(low, high))
        if draws.numpy.uniform() < transform.probability_per_channel
        else UNCHANGED
        for _ in range(n_channels)
    ]


def _draw_gammas(draws: _Draws, transform: Transform, n_channels: int, patch_size: Shape) -> list[float]:
    return [_draw_factor(draws, transform) for _ in range(n_channels)]


def _draw_factor(draws: _Draws, transform: Transform) -> float:
    """A factor that is below 1 as often as above."""
    low, high = transform.range or (1.0, 1.0)
    if draws.numpy.random_sample() < 0.5 and low < 1.0:
        return draws.numpy.uniform(low, 1.0)
    return draws.numpy.uniform(max(low, 1.0), high)


STRENGTHS: dict[str, Callable[[_Draws, Transform, int, Shape], list[float]]] = {
    "gaussian_noise": _draw_spreads,  # standard deviation
    "gaussian_blur": _draw_sigmas,  # sigma in voxels
    "brightness": _draw_multipliers,  # factor
    "contrast": _draw_contrasts,  # factor on the distance to the mean
    "low_resolution": _draw_zooms,  # factor on the number of voxels
    "inverted_gamma": _draw_gammas,  # exponent
    "gamma": _draw_gammas,  # exponent
}
