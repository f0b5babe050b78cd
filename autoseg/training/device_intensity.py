"""How does the training device change the intensities of many channels at once?

The transforms of `augmentation.INTENSITY_TRANSFORMS`, in torch, with the strengths that `strengths` draws. Each gets
the channels that it changes, of all patches of the batch together. Blur and low resolution are linear along each axis,
so that scipy and scikit-image, asked what they make of unit vectors, give one matrix per axis: the device multiplies
by matrices, and its results differ from theirs by rounding alone. Only noise is another realisation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from skimage.transform import resize
from torch import Tensor

from autoseg.planning.choices import Augmentation
from autoseg.training.augmentation import LOW_RESOLUTION_ORDER, Variation, find_still_axes
from autoseg.training.strengths import draw_strengths

ALMOST_NOTHING, ALMOST_NO_SPREAD = 1e-7, 1e-8  # batchgenerators' guards against division by zero
MATRICES_KEPT = 256  # 2 to 250 kB each

Shape = tuple[int, ...]


def change_intensities(images: Tensor, augmentation: Augmentation, variations: Sequence[Variation]) -> None:
    """Apply the intensity transforms of each patch's variation, in place and in the published order.

    Args:
        images: float32 (B, C, *patch), contiguous.
        augmentation: ranges.
        variations: of each patch.
    """
    patch_size = tuple(images.shape[2:])
    still_axes = find_still_axes(patch_size, in_plane=augmentation.in_plane)
    channels = images.view(-1, *patch_size)
    for name, change in CHANGES.items():
        rows, strengths, seeds = _list_channels(name, augmentation, variations, images.shape[1], patch_size)
        if rows:
            chosen = torch.tensor(rows, device=images.device)
            channels[chosen] = change(channels[chosen], strengths, seeds, still_axes)


def _list_channels(
    name: str, augmentation: Augmentation, variations: Sequence[Variation], n_channels: int, patch_size: Shape
) -> tuple[list[int], list[float], list[int]]:
    """Positions of the channels that a transform changes, counted over the batch, their strengths and seeds.

    Seeds have 32 bits: torch's generator would not look at more.
    """
    rows, strengths, seeds = [], [], []
    for sample, variation in enumerate(variations):
        if (seed := dict(variation.intensity).get(name)) is None:
            continue
        drawn = draw_strengths(name, seed, getattr(augmentation, name), n_channels, patch_size)
        for channel, strength in enumerate(drawn):
            if not math.isnan(strength):
                rows.append(sample * n_channels + channel)
                strengths.append(strength)
                seeds.append(int(np.random.SeedSequence([seed, channel]).generate_state(1)[0]))
    return rows, strengths, seeds


def _add_noise(channels: Tensor, strengths: list[float], seeds: list[int], still_axes: Shape) -> Tensor:
    """Drawn on the CPU, so that every device adds the same."""
    noise = [torch.randn(channels.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return channels + _spread(strengths, channels) * torch.stack(noise).to(channels.device)


def _blur(channels: Tensor, strengths: list[float], seeds: list[int], still_axes: Shape) -> Tensor:
    for axis, n in enumerate(channels.shape[1:], start=1):
        channels = _multiply(channels, axis, [_make_blur(n, sigma) for sigma in strengths])
    return channels


def _brighten(channels: Tensor, strengths: list[float], seeds: list[int], still_axes: Shape) -> Tensor:
    return channels * _spread(strengths, channels)


def _change_contrast(channels: Tensor, strengths: list[float], seeds: list[int], still_axes: Shape) -> Tensor:
    axes = tuple(range(1, channels.ndim))
    mean, low, high = channels.mean(axes, True), channels.amin(axes, True), channels.amax(axes, True)
    return ((channels - mean) * _spread(strengths, channels) + mean).clamp(low, high)


def _lower_resolution(channels: Tensor, strengths: list[float], seeds: list[int], still_axes: Shape) -> Tensor:
    for axis, n in enumerate(channels.shape[1:], start=1):
        if axis - 1 not in still_axes:
            channels = _multiply(channels, axis, [_make_low_resolution(n, round(n * zoom)) for zoom in strengths])
    return channels


def _change_gamma(channels: Tensor, strengths: list[float], seeds: list[int], still_axes: Shape) -> Tensor:
    axes = tuple(range(1, channels.ndim))
    mean, spread = channels.mean(axes, True), channels.std(axes, correction=0, keepdim=True)
    low = channels.amin(axes, True)
    width = channels.amax(axes, True) - low + ALMOST_NOTHING
    changed = ((channels - low) / width) ** _spread(strengths, channels) * width + low
    changed = changed - changed.mean(axes, True)
    return changed / (changed.std(axes, correction=0, keepdim=True) + ALMOST_NO_SPREAD) * spread + mean


def _change_inverted_gamma(channels: Tensor, strengths: list[float], seeds: list[int], still_axes: Shape) -> Tensor:
    return -_change_gamma(-channels, strengths, seeds, still_axes)


CHANGES: dict[str, Callable[[Tensor, list[float], list[int], Shape], Tensor]] = {
    "gaussian_noise": _add_noise,
    "gaussian_blur": _blur,
    "brightness": _brighten,
    "contrast": _change_contrast,
    "low_resolution": _lower_resolution,
    "inverted_gamma": _change_inverted_gamma,
    "gamma": _change_gamma,
}
"""In the published order: name in the plan -> change of channels (K, *patch) with K strengths and seeds."""


def _spread(strengths: list[float], channels: Tensor) -> Tensor:
    """Strengths (K,) as (K, 1, 1, ...)."""
    shape = (-1, *(1,) * (channels.ndim - 1))
    return torch.tensor(strengths, dtype=channels.dtype, device=channels.device).reshape(shape)


def _multiply(channels: Tensor, axis: int, matrices: list[Tensor]) -> Tensor:
    """Multiply every line along an axis of channel k by matrix k."""
    lines = channels.movedim(axis, 1)
    product = torch.bmm(torch.stack(matrices).to(channels.device), lines.flatten(2))
    return product.view(lines.shape).movedim(1, axis)


def _make_blur(n: int, sigma: float) -> Tensor:
    """(n, n): what scipy's Gaussian filter makes of each unit vector."""
    return torch.from_numpy(gaussian_filter1d(np.eye(n), sigma, axis=0)).float()


@lru_cache(maxsize=MATRICES_KEPT)
def _make_low_resolution(n: int, n_low: int) -> Tensor:
    """(n, n): to the nearest of `n_low` voxels and back, as scikit-image does it with each unit vector."""
    low = _resize(np.eye(n), (n_low, n), 0)
    return torch.from_numpy(_resize(low, (n, n), LOW_RESOLUTION_ORDER)).float()


def _resize(columns: np.ndarray, shape: Shape, order: int) -> np.ndarray:
    resized: np.ndarray = resize(columns, shape, order=order, mode="edge", anti_aliasing=False)  # type: ignore[no-untyped-call]
    return resized
