"""Sliding windows against a plain float64 loop over windows."""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, conv3d

from autoseg.errors import NumericalError
from autoseg.prediction.sliding_window import compute_importance, compute_window_starts, pad_to_patch, predict_logits

N_LABELS, N_CHANNELS = 3, 2


class Conv:
    """A network whose output depends on the window's border and on the side it is seen from."""

    def __init__(self, n_axes: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(N_LABELS, N_CHANNELS, *(3,) * n_axes, generator=generator, dtype=torch.float64)
        self.n_windows = 0

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        self.n_windows += len(batch)
        convolve = conv3d if self.weight.ndim == 5 else conv2d
        return convolve(batch, self.weight.to(batch.dtype), padding=1)


def make_image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N_CHANNELS, *shape)).astype(np.float32)


def naive_starts(size: int, patch: int, step: float) -> list[int]:
    """The fewest evenly spread windows that are at most a step apart, found by trying."""
    n = 1
    while (size - patch) / max(1, n - 1) > max(1, patch * step) or (n == 1 and size > patch):
        n += 1
    return [round((size - patch) * i / max(1, n - 1)) for i in range(n)]


def naive_logits(networks, image, patch, step=0.5, axes=()) -> np.ndarray:
    """Everything in float64, one window, one network, one mirroring at a time."""
    patch3 = (1,) * (3 - len(patch)) + tuple(patch)
    missing = [max(0, n - size) for n, size in zip(patch3, image.shape[1:], strict=True)]
    padded = np.pad(image.astype(np.float64), [(0, 0)] + [(n // 2, n - n // 2) for n in missing])
    distances = [((np.arange(n) - n // 2) / (n / 8)) ** 2 for n in patch3]
    z, y, x = distances
    importance = np.maximum(np.exp(-0.5 * (z[:, None, None] + y[:, None] + x)), 2.0**-23)
    total, weight = np.zeros((N_LABELS, *padded.shape[1:])), np.zeros(padded.shape[1:])
    ranges = [naive_starts(size, n, step) for size, n in zip(padded.shape[1:], patch3, strict=True)]
    mirrorings = [m for n in range(len(axes) + 1) for m in itertools.combinations(axes, n)]
    for start in itertools.product(*ranges):
        box = tuple(slice(a, a + n) for a, n in zip(start, patch3, strict=True))
        window = torch.from_numpy(padded[(slice(None), *box)]).reshape(1, N_CHANNELS, *patch)
        for network, mirroring in itertools.product(networks, mirrorings):
            flipped = [2 + axis for axis in mirroring]
            logits = network(window.flip(flipped)).flip(flipped).numpy().reshape(N_LABELS, *patch3)
            total[(slice(None), *box)] += logits * importance / len(networks) / len(mirrorings)
        weight[box] += importance
    inside = tuple(slice(n // 2, n // 2 + size) for n, size in zip(missing, image.shape[1:], strict=True))
    return (total / weight)[(slice(None), *inside)]


@pytest.mark.parametrize("shape", [(4, 7, 3), (6, 10, 12), (7, 11, 13), (5, 23, 12), (9, 31, 40)])
@pytest.mark.parametrize("axes", [(), (1, 2)])
def test_equals_the_naive_loop(shape, axes):
    networks, image, patch = [Conv(3, 1), Conv(3, 2)], make_image(*shape), (6, 10, 12)
    logits = predict_logits(networks, image, patch_size=patch, n_outputs=N_LABELS, mirroring_axes=axes)
    assert logits.dtype == np.float32
    assert logits.shape == (N_LABELS, *shape)
    np.testing.assert_allclose(logits, naive_logits(networks, image, patch, axes=axes), atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 7, 3), (3, 10, 12), (1, 11, 33)])
def test_a_2d_network_sees_every_slice(shape):
    network, image, patch = Conv(2), make_image(*shape), (10, 12)
    logits = predict_logits([network], image, patch_size=patch, n_outputs=N_LABELS, mirroring_axes=(0,))
    np.testing.assert_allclose(logits, naive_logits([network], image, patch, axes=(0,)), atol=1e-5)


@pytest.mark.parametrize("windows_per_batch", [1, 4, 1000])
def test_batches_of_windows_do_not_change_the_answer(windows_per_batch):
    image, options = make_image(9, 21, 25), {"patch_size": (6, 10, 12), "n_outputs": N_LABELS, "step": 0.3}
    alone = naive_logits([Conv(3)], image, (6, 10, 12), step=0.3)
    batched = predict_logits([Conv(3)], image, windows_per_batch=windows_per_batch, **options)
    np.testing.assert_allclose(batched, alone, atol=1e-5)


@pytest.mark.parametrize(("size", "patch", "step"), [(10, 10, 0.5), (11, 10, 0.5), (64, 16, 0.5), (100, 32, 0.25)])
def test_windows_cover_the_axis_in_even_steps(size, patch, step):
    (starts,) = compute_window_starts((size,), (patch,), step)
    assert starts[0] == 0
    assert starts[-1] == size - patch
    assert list(starts) == naive_starts(size, patch, step)
    assert len(starts) == math.ceil((size - patch) / (patch * step)) + 1


def test_importance_is_one_in_the_middle_and_never_vanishes():
    importance = compute_importance((24, 16, 8))
    assert importance.argmax() == np.ravel_multi_index((12, 8, 4), importance.shape)
    assert importance.max() == 1
    assert importance.min() == np.float32(2.0**-23)
    np.testing.assert_allclose(importance[15, 8, 4], math.exp(-0.5), rtol=1e-6)


def test_a_small_image_lies_in_the_middle_of_its_padding():
    padded, inside = pad_to_patch(np.ones((1, 3, 4, 9), dtype=np.float32), (6, 4, 8))
    assert padded.shape == (1, 6, 4, 9)
    assert inside == (slice(1, 4), slice(0, 4), slice(0, 9))
    assert padded.sum() == padded[(slice(None), *inside)].sum()


def test_progress_ends_with_all_windows():
    network, steps = Conv(3), []
    predict_logits(
        [network],
        make_image(6, 20, 12),
        patch_size=(6, 10, 12),
        n_outputs=N_LABELS,
        windows_per_batch=2,
        on_progress=lambda *step: steps.append(step),
    )
    assert steps == [(2, 3), (3, 3)]
    assert network.n_windows == 3


def test_output_that_is_not_finite_names_the_window():
    def spoil(batch: torch.Tensor) -> torch.Tensor:
        return torch.where(batch[:, :1] == 7, torch.nan, batch[:, :1])

    image = make_image(6, 20, 12)
    image[0, 0, 19, 0] = 7
    with pytest.raises(NumericalError, match=r"window at \(0, 10, 0\) is not finite"):
        predict_logits([spoil], image, patch_size=(6, 10, 12), n_outputs=1)


@pytest.mark.parametrize("patch", [(6, 10, 12), (10, 12)])
def test_a_previous_segmentation_is_seen_as_channels_and_mirrored_with_the_image(patch):
    image, previous = make_image(5, 23, 30), np.random.default_rng(1).integers(0, N_LABELS, (5, 23, 30))
    channels = [previous == label for label in range(1, N_LABELS)]
    joined = np.concatenate([image, np.stack(channels).astype(np.float32)])
    convolve = conv3d if len(patch) == 3 else conv2d
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(N_LABELS, N_CHANNELS + N_LABELS - 1, *(3,) * len(patch), generator=generator)
    options = {"patch_size": patch, "n_outputs": N_LABELS, "mirroring_axes": (0, 1)}
    network = partial(convolve, weight=weight, padding=1)
    expected = predict_logits([network], joined, **options)
    np.testing.assert_array_equal(predict_logits([network], image, previous=previous, **options), expected)


def test_the_labels_of_a_previous_segmentation_may_be_more_than_the_outputs():
    image, previous = make_image(5, 23, 30), np.random.default_rng(1).integers(0, 5, (5, 23, 30))
    joined = np.concatenate([image, np.stack([previous == label for label in (1, 2, 3, 4)]).astype(np.float32)])
    weight = torch.randn(2, N_CHANNELS + 4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    network, options = partial(conv3d, weight=weight, padding=1), {"patch_size": (6, 10, 12), "n_outputs": 2}
    logits = predict_logits([network], image, previous=previous, n_labels=5, **options)
    np.testing.assert_array_equal(logits, predict_logits([network], joined, **options))
