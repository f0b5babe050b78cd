"""What is known of a batch: ignored voxels, regions, labels that a sample is not annotated for, coarser grids."""

from __future__ import annotations

import math

import pytest
import torch

from autoseg.data.labels import IGNORED
from autoseg.training.losses import Target, shrink_target
from autoseg.training.losses.target import compare_channels, merge_labels, merge_logits


def test_a_coarser_target_keeps_its_axes_apart_and_remembers_its_steps() -> None:
    labels = torch.arange(24).reshape(1, 2, 3, 4)
    coarse = shrink_target(Target(labels, annotated=torch.ones(1, 2, dtype=torch.bool)), (2, 3, 2))
    assert coarse.labels.tolist() == labels[..., 1::2].tolist()
    assert coarse.step == (1, 1, 2)
    assert shrink_target(coarse, (1, 3, 1)).step == (2, 1, 4)
    assert coarse.annotated is not None


def test_regions_overlap_and_have_a_sigmoid_each() -> None:
    target = Target(torch.tensor([[0, 1, 2, IGNORED]]), regions=((1, 2), (2,)))
    channels = compare_channels(torch.tensor([[[0.0] * 4, [math.log(3)] * 4]]), target)
    assert channels.truth.tolist() == [[[False, True, True, False], [False, False, True, False]]]
    torch.testing.assert_close(channels.probabilities, torch.tensor([[[0.5] * 3 + [0], [0.75] * 3 + [0]]]))


def test_labels_that_a_sample_is_not_annotated_for_become_background() -> None:
    probabilities = torch.tensor([0.1, 0.2, 0.3, 0.4]).view(1, 4, 1).expand(2, 4, 3)
    annotated = torch.tensor([[True, True, False, False], [True] * 4])
    target = Target(torch.tensor([[0, 1, 2], [0, 1, 2]]), annotated=annotated)
    merged = merge_logits(probabilities.log(), target).softmax(1)
    torch.testing.assert_close(merged[0, :, 0], torch.tensor([0.8, 0.2, 0.0, 0.0]))
    torch.testing.assert_close(merged[1], probabilities[1])
    assert merge_labels(target).tolist() == [[0, 1, 0], [0, 1, 2]]


@pytest.mark.parametrize("scale", [1.0, 6e4])
def test_merging_has_finite_gradients(scale: float) -> None:
    logits = (scale * torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))).requires_grad_()
    annotated = torch.tensor([[True, False, False, False], [True, False, True, False]])
    merged = merge_logits(logits, Target(torch.zeros(2, 3, 5).long(), annotated=annotated))
    merged.log_softmax(1)[:, 0].sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_channels_are_known_where_voxels_are_supervised_and_samples_annotated() -> None:
    labels = torch.tensor([[1, IGNORED], [1, 2]])
    annotated = torch.tensor([[True, True, False], [True, True, True]])
    channels = compare_channels(torch.zeros(2, 3, 2), Target(labels, annotated=annotated))
    assert channels.known.int().tolist() == [[[1, 0], [0, 0]], [[1, 1], [1, 1]]]
    assert channels.counted.int().tolist() == [[1, 0], [1, 1]]
    assert channels.probabilities[0, 1].tolist() == [0, 0]
