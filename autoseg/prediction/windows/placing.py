"""Where do windows lie, how much do their voxels count, and which of them show nothing?

Source: Isensee et al., Nature Methods 2021; method part 5. Windows of the patch's size cover the image at most half a
patch apart; Gaussian weights trust the middle of a window more than its border. An image that is smaller than the patch
lies in the middle of zeros, which exist in the windows alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from autoseg.prediction.options import STEP

SIGMA_PER_PATCH = 1 / 8  # width of the Gaussian (borrowed from nnU-Net)
SMALLEST_IMPORTANCE = 1e-12  # below a 3D patch's corner, exp(-24); alone, as at an image's corner, it divides out

Array = np.ndarray
Starts = tuple[int, ...]
Slices = tuple[slice, ...]
Values = tuple[float, ...]


@dataclass(frozen=True)
class Window:
    """A patch's place in an image, or around it.

    Attributes:
        start: its first voxel, in voxels of the image; below 0 where padding comes first.
        inside: the part of the image that it shows.
        within: where in the window that part lies; the rest is padding.
        is_padded: whether there is a rest.
    """

    start: Starts
    inside: Slices
    within: Slices
    is_padded: bool


@dataclass(frozen=True)
class Grouped:
    """Windows of an image, apart by what they show.

    Attributes:
        varied: those with more than one value in a channel.
        constant: those with one value per channel, padding included; a group per combination of values.
    """

    varied: tuple[Window, ...]
    constant: tuple[tuple[Window, ...], ...]


def place_windows(shape: Sequence[int], patch: Sequence[int], step: float = STEP) -> tuple[Window, ...]:
    """Cover an image by windows.

    Args:
        shape: voxels of the image per axis; where fewer than the patch, the odd voxel of padding comes behind.
        patch: voxels per axis.
        step: share of the patch.
    """
    before = [max(0, n - size) // 2 for size, n in zip(shape, patch, strict=True)]
    padded = [max(size, n) for size, n in zip(shape, patch, strict=True)]
    starts = product(*compute_window_starts(padded, patch, step))
    return tuple(_place([a - b for a, b in zip(start, before, strict=True)], shape, patch) for start in starts)


def compute_window_starts(shape: Sequence[int], patch: Sequence[int], step: float = STEP) -> tuple[Starts, ...]:
    """Where windows begin along each axis: as few as keep `step * patch` or less between them, spread evenly.

    Args:
        shape: voxels per axis, none smaller than the patch.
        patch: voxels per axis.
        step: share of the patch; windows are at least one voxel apart.
    """
    return tuple(_axis_starts(size, n, step) for size, n in zip(shape, patch, strict=True))


def compute_importance(patch: Sequence[int]) -> Array:
    """Weights of a window's voxels: a Gaussian about voxel `n // 2` with sigma `n / 8`, at most 1, floored above 0."""
    result = np.ones((1,) * len(patch), dtype=np.float64)
    for axis, n in enumerate(patch):
        distance = (np.arange(n) - n // 2) / (n * SIGMA_PER_PATCH)
        profile = np.exp(-0.5 * np.square(distance))
        result = result * profile.reshape([-1 if other == axis else 1 for other in range(len(patch))])
    return np.maximum(result, SMALLEST_IMPORTANCE).astype(np.float32)


def cut_windows(volume: Array, windows: Sequence[Window], patch: Sequence[int], dtype: np.dtype) -> Array:
    """Copy windows (B, C, *patch) out of a volume (C, Z, Y, X), with zeros where they look past it."""
    result = np.zeros((len(windows), len(volume), *patch), dtype=dtype)
    for target, window in zip(result, windows, strict=True):
        target[(slice(None), *window.within)] = volume[(slice(None), *window.inside)]
    return result


def group_windows(windows: Sequence[Window], volumes: Sequence[Array]) -> Grouped:
    """Find the windows that show one value per channel: a network's answer to them depends on the values alone.

    Each window is read plane by plane until a second value is met, which most windows show at once.

    Args:
        volumes: all that the networks see, each (C, Z, Y, X).
    """
    varied: list[Window] = []
    constant: dict[Values, list[Window]] = {}
    for window in windows:
        values = _find_values(window, volumes)
        if values is None:
            varied.append(window)
        else:
            constant.setdefault(values, []).append(window)
    return Grouped(tuple(varied), tuple(map(tuple, constant.values())))


def _axis_starts(size: int, patch: int, step: float) -> Starts:
    longest = max(1.0, patch * step)
    n_steps = math.ceil((size - patch) / longest)
    return tuple(round((size - patch) / max(1, n_steps) * i) for i in range(n_steps + 1))


def _place(start: Sequence[int], shape: Sequence[int], patch: Sequence[int]) -> Window:
    inside = tuple(slice(max(0, a), min(size, a + n)) for a, size, n in zip(start, shape, patch, strict=True))
    within = tuple(slice(part.start - a, part.stop - a) for a, part in zip(start, inside, strict=True))
    is_padded = any(part.stop - part.start < n for part, n in zip(inside, patch, strict=True))
    return Window(tuple(start), inside, within, is_padded)


def _find_values(window: Window, volumes: Sequence[Array]) -> Values | None:
    """The one value of each channel, or None."""
    values = []
    for channel in (channel[window.inside] for volume in volumes for channel in volume):
        value = channel[0, 0, 0]
        if not all(bool((plane == value).all()) for plane in channel):
            return None
        values.append(float(value))
    return None if any(values) and window.is_padded else tuple(values)
