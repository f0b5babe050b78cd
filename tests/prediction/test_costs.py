"""Counted windows are those that prediction really shows to a network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from autoseg.prediction.costs import count_prediction_flops, count_windows
from autoseg.prediction.options import PredictionOptions
from autoseg.prediction.windows.sliding_window import predict_logits

PLAIN = PredictionOptions(mirroring="none")


class Counting:
    """A network that counts the patches that it sees."""

    n_seen = 0

    def __call__(self, windows: Tensor) -> Tensor:
        self.n_seen += len(windows)
        return torch.zeros(len(windows), 2, *windows.shape[2:])


@pytest.mark.parametrize(
    ("patch_size", "options", "axes"),
    [
        ((4, 8, 6), PLAIN, (0, 1)),
        ((4, 8, 6), PredictionOptions(step=0.75), (1, 2)),
        ((20, 8, 30), PredictionOptions(), (0, 1, 2)),
        ((8, 6), PredictionOptions(), (1,)),
    ],
)
def test_a_prediction_takes_what_is_counted(
    patch_size: tuple[int, ...], options: PredictionOptions, axes: tuple[int, ...]
) -> None:
    grid_shape, network = (7, 21, 11), Counting()
    image = np.random.default_rng(0).normal(size=(1, *grid_shape)).astype(np.float32)
    predict_logits([network], image, patch_size=patch_size, n_outputs=2, options=options, mirroring_axes=axes)
    assert count_prediction_flops(2.5, grid_shape, patch_size, options, axes) == 2.5 * network.n_seen


def test_windows_on_paper() -> None:
    assert count_windows((7, 21, 11), (8, 6), PLAIN) == 7 * 5 * 3  # each slice; ceil(13 / 4) + 1; ceil(5 / 3) + 1
    assert count_windows((3, 5, 6), (4, 8, 6), PLAIN) == 1


def test_adaptive_mirroring_takes_at_most_all() -> None:
    adaptive, everything = (
        count_prediction_flops(1.0, (7, 21, 11), (4, 8, 6), PredictionOptions(mirroring=how), (0, 2))
        for how in ("adaptive", "all")
    )
    assert adaptive == everything
