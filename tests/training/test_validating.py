"""Dice over validation patches, derived on paper."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autoseg.data.labels import IGNORED, Labels
from autoseg.training.batches import Batch
from autoseg.training.validating import measure_patch_dice

LABELS = Labels(names=("background", "organ", "lesion", "absent"), values=(0, 1, 2, 3))


class Echo(nn.Module):
    """A network whose logits are sure of the image's own numbers."""

    def forward(self, image: Tensor) -> Tensor:
        one_hot: Callable[..., Tensor] = nn.functional.one_hot
        return one_hot(image[:, 0].long(), 4).movedim(-1, 1).float()


def make_batch(predicted: list[int], reference: list[int]) -> Batch:
    image = np.array(predicted, dtype=np.float32).reshape(1, 1, 1, -1)
    return Batch(image, np.array(reference, dtype=np.int16).reshape(1, 1, -1), ())


def test_counts_are_pooled_over_patches() -> None:
    batches = [make_batch([1, 1, 0, 2], [1, 0, 0, 2]), make_batch([0, 0, 1, 2], [1, 0, 1, 0])]
    dice = measure_patch_dice(Echo(), batches, LABELS, torch.device("cpu"))
    assert dice["organ"] == pytest.approx(2 * 2 / (3 + 3))
    assert dice["lesion"] == pytest.approx(2 * 1 / (1 + 2))
    assert dice["absent"] is None


def test_ignored_voxels_do_not_count() -> None:
    batch = make_batch([1, 1, 1, 1], [1, 1, IGNORED, IGNORED])
    assert measure_patch_dice(Echo(), [batch], LABELS, torch.device("cpu"))["organ"] == 1.0
