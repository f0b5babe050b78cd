"""Dice over validation patches, derived on paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autoseg.data.labels import IGNORED, Labels, Region
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


class Bits(nn.Module):
    """A network that reads regions off the bits of the image's numbers: the first one off the lowest."""

    def forward(self, image: Tensor) -> Tensor:
        numbers = image.long()
        return torch.cat([(numbers >> bit) % 2 for bit in range(2)], dim=1).float() - 0.5


def test_regions_overlap_and_are_counted_each_by_itself() -> None:
    regions = (Region(name="both", labels=(1, 2), paints=1), Region(name="lesion", labels=(2,), paints=2))
    labels = LABELS.model_copy(update={"regions": regions})
    batch = make_batch([1, 3, 0, 1, 2], [1, 2, 2, IGNORED, 0])
    dice = measure_patch_dice(Bits(), [batch], labels, torch.device("cpu"))
    assert dice == {"both": pytest.approx(2 * 2 / (2 + 3)), "lesion": pytest.approx(2 * 1 / (2 + 2))}


def test_what_a_sample_does_not_annotate_does_not_count() -> None:
    one, other = make_batch([1, 1, 0, 2], [1, 0, 0, 0]), make_batch([2, 0, 1, 2], [2, 0, 1, 0])
    both = replace(
        one,
        image=np.concatenate([one.image, other.image]),
        segmentation=np.concatenate([one.segmentation, other.segmentation]),
        annotated=np.array([[True, True, False, True], [True, True, True, False]]),
    )
    dice = measure_patch_dice(Echo(), [both], LABELS, torch.device("cpu"))
    assert dice["organ"] == pytest.approx(2 * 2 / (3 + 2))
    assert dice["lesion"] == pytest.approx(2 * 1 / (2 + 1))
    assert measure_patch_dice(Echo(), [one, other], LABELS, torch.device("cpu"))["lesion"] == pytest.approx(2 / (3 + 1))
