"""What does a network say about an image that is larger than its patch?

Source: Isensee et al., Nature Methods 2021; method part 5. Windows of the patch's size cover the image at most half a
patch apart; their logits are averaged with Gaussian weights, which trust the middle of a window more than its border.
Networks of an ensemble see the same windows, so that each is cut out and moved to the device once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product

import numpy as np
import torch
from torch import Tensor

from autoseg.errors import NumericalError
from autoseg.networks.previous import join_previous
from autoseg.prediction.mirroring import Network, predict_mirrored
from autoseg.prediction.options import STEP

SIGMA_PER_PATCH = 1 / 8  # width of the Gaussian (borrowed from nnU-Net)
SMALLEST_IMPORTANCE = 2.0**-23  # beside the middle's 1 float32 sees no less; alone, as at a corner, it divides out
VOXELS_PER_BATCH = 2**20  # keeps the activations of a batch of windows near 1 GB for 32 features

Array = np.ndarray
Starts = tuple[int, ...]


def predict_logits(
    networks: Sequence[Network],
    image: Array,
    *,
    patch_size: Sequence[int],
    n_outputs: int,
    previous: Array | None = None,
    n_labels: int | None = None,
    step: float = STEP,
    mirroring_axes: Sequence[int] = (),
    device: str | torch.device = "cpu",
    windows_per_batch: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Array:
    """Predict an image window by window.

    Args:
        networks: each (B, C, *patch) -> logits (B, K, *patch), in evaluation mode and on `device`.
        image: float32 (C, Z, Y, X); padded with zeros on both sides where it is smaller than the patch.
        patch_size: three axes; two for networks that see one slice at a time.
        n_outputs: K, one per label, background included, or one per region.
        previous: integer (Z, Y, X), the previous segmentation of a cascade, whose networks see a channel more for each
            of its labels but the background.
        n_labels: that it may hold, background included; None where each is an output.
        step: distance of windows, as a share of the patch.
        mirroring_axes: axes of the patch, counted from 0.
        device: where networks, windows and the sums live.
        windows_per_batch: None chooses by the number of voxels.
        on_progress: called with (windows done, windows in all).

    Returns:
        mean logits of the networks, float32 (K, Z, Y, X).

    Raises:
        NumericalError: a network's output is not finite.
    """
    patch = (1,) * (3 - len(patch_size)) + tuple(patch_size)
    padded, inside = pad_to_patch(image.astype(np.float32, copy=False), patch)
    starts = list(product(*compute_window_starts(padded.shape[1:], patch, step)))
    batch_length = windows_per_batch or max(1, VOXELS_PER_BATCH // math.prod(patch))
    importance = torch.from_numpy(compute_importance(patch)).to(device)
    source = torch.from_numpy(padded)
    before = None if previous is None else torch.from_numpy(pad_to_patch(previous[None], patch)[0])
    total = torch.zeros((n_outputs, *padded.shape[1:]), dtype=torch.float32, device=device)
    weight = torch.zeros(padded.shape[1:], dtype=torch.float32, device=device)
    n_done = 0
    with torch.inference_mode():
        for some in _split(starts, batch_length):
            windows = _cut(source, some, patch).to(device)
            if before is not None:
                windows = join_previous(windows, _cut(before, some, patch)[:, 0].to(device), n_labels or n_outputs)
            logits = _predict_batch(networks, windows, len(patch_size), mirroring_axes)
            _check_finite(logits, some)
            for start, window_logits in zip(some, logits, strict=True):
                total[(slice(None), *_window(start, patch))] += window_logits * importance
                weight[_window(start, patch)] += importance
            n_done += len(some)
            if on_progress is not None:
                on_progress(n_done, len(starts))
    total /= weight
    return np.ascontiguousarray(total.cpu().numpy()[(slice(None), *inside)])


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


def pad_to_patch(image: Array, patch: Sequence[int]) -> tuple[Array, tuple[slice, ...]]:
    """Pad with zeros, the odd voxel behind, until the image (C, Z, Y, X) holds a patch; return where it lies in it."""
    missing = [max(0, n - size) for n, size in zip(patch, image.shape[1:], strict=True)]
    inside = tuple(slice(n // 2, n // 2 + size) for n, size in zip(missing, image.shape[1:], strict=True))
    padded = np.pad(image, [(0, 0), *((n // 2, n - n // 2) for n in missing)])
    return np.ascontiguousarray(padded), inside


def _axis_starts(size: int, patch: int, step: float) -> Starts:
    longest = max(1.0, patch * step)
    n_steps = math.ceil((size - patch) / longest)
    return tuple(round((size - patch) / max(1, n_steps) * i) for i in range(n_steps + 1))


def _window(start: Sequence[int], patch: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for a, n in zip(start, patch, strict=True))


def _cut(volume: Tensor, starts: Sequence[Starts], patch: Sequence[int]) -> Tensor:
    """Windows (B, C, *patch) of a volume (C, Z, Y, X)."""
    return torch.stack([volume[(slice(None), *_window(start, patch))] for start in starts])


def _split(starts: Sequence[Starts], length: int) -> Iterator[list[Starts]]:
    waiting = iter(starts)
    while some := list(islice(waiting, length)):
        yield some


def _predict_batch(networks: Sequence[Network], windows: Tensor, n_axes: int, mirroring_axes: Sequence[int]) -> Tensor:
    """Mean logits (B, K, z, y, x) of the networks; one of two axes sees windows without their axis of length 1."""
    seen = windows.squeeze(2) if n_axes == 2 else windows
    total = predict_mirrored(networks[0], seen, mirroring_axes)
    for network in networks[1:]:
        total = total + predict_mirrored(network, seen, mirroring_axes)
    mean = total / len(networks)
    return mean.unsqueeze(2) if n_axes == 2 else mean


def _check_finite(logits: Tensor, starts: Sequence[Starts]) -> None:
    if bool(torch.isfinite(logits).all()):
        return
    broken = next(start for start, window in zip(starts, logits, strict=True) if not bool(torch.isfinite(window).all()))
    raise NumericalError(
        f"The network's output for the window at {broken} is not finite. "
        "Predict in float32, or train again: the weights or the image hold values out of range."
    )
