"""Terms of overlap against sums on paper, and against how they were first written down."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from autoseg.data.labels import IGNORED
from autoseg.errors import PlanError
from autoseg.training.losses import Target
from autoseg.training.losses.overlap import batch_dice, jaccard, soft_dice, tversky

TRUTH = torch.tensor([[[1, 1, 1, 0, 0]]])
PREDICTED = torch.tensor([[[0, 1, 1, 1, 1]]])  # 2 right, 2 too many, 1 missing


def certain(labels: torch.Tensor, n_labels: int) -> torch.Tensor:
    """Logits that are sure of labels."""
    return 100.0 * functional.one_hot(labels, n_labels).movedim(-1, 1).float()


@pytest.mark.parametrize("pooled", [False, True])
def test_soft_dice_is_the_published_formula_bit_for_bit(pooled: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 3, 6, 5, generator=generator)
    labels = torch.randint(-1, 4, (3, 3, 6, 5), generator=generator)
    p = logits.softmax(1)[:, 1:] * (labels != IGNORED)[:, None]
    g = torch.stack([labels == label for label in (1, 2, 3)], 1)
    axes = (0, 2, 3, 4) if pooled else (2, 3, 4)
    dice = (2 * (p * g).sum(axes) + 1e-5) / (p.sum(axes) + g.sum(axes) + 1e-5)
    assert float(soft_dice(logits, Target(labels), batch_dice=pooled)) == float(1 - dice.mean())


def test_overlaps_counted_on_paper() -> None:
    logits, target = certain(PREDICTED, 2), Target(TRUTH)
    assert float(soft_dice(logits, target)) == pytest.approx(1 - 2 * 2 / (4 + 3), abs=1e-4)
    assert float(jaccard(logits, target)) == pytest.approx(1 - 2 / 5, abs=1e-4)
    assert float(tversky(logits, target, alpha=0.2, beta=0.9)) == pytest.approx(1 - 2 / (2 + 0.4 + 0.9), abs=1e-4)


def test_tversky_of_two_halves_is_dice() -> None:
    logits, target = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(1)), Target(torch.ones(2, 4, 6))
    halves = tversky(logits, target, alpha=0.5, beta=0.5, batch_dice=True)
    assert float(halves) == pytest.approx(float(batch_dice(logits, target)), abs=1e-5)


def test_batch_dice_pools_what_sample_dice_averages() -> None:
    target = Target(torch.tensor([[[1, 1, 1, 1]], [[1, 0, 0, 0]]]))
    logits = certain(torch.tensor([[[1, 1, 1, 1]], [[0, 1, 0, 0]]]), 2)
    assert float(soft_dice(logits, target)) == pytest.approx(1 - (1 + 0) / 2, abs=1e-4)
    assert float(batch_dice(logits, target)) == pytest.approx(1 - 2 * 4 / 10, abs=1e-4)


@pytest.mark.parametrize("pooled", [False, True])
def test_labels_that_are_not_annotated_are_left_out_of_the_mean(pooled: bool) -> None:
    labels = torch.tensor([[[1, 2, 0, 0]], [[1, 2, 0, 0]]])
    wrong = certain(torch.tensor([[[1, 0, 2, 2]], [[1, 2, 0, 0]]]), 3)
    annotated = torch.tensor([[True, True, False], [True, True, True]])
    assert float(soft_dice(wrong, Target(labels), batch_dice=pooled)) > 0.1
    assert float(soft_dice(wrong, Target(labels, annotated=annotated), batch_dice=pooled)) == pytest.approx(0, abs=1e-4)
    nothing = Target(labels, annotated=torch.tensor([[True, False, False]] * 2))
    assert float(soft_dice(wrong, nothing, batch_dice=pooled)) == 0


def test_all_regions_count_the_first_one_too() -> None:
    logits = torch.tensor([[[9.0, 9.0, -9.0], [-9.0, -9.0, -9.0]]]) * 9
    target = Target(torch.tensor([[1, 2, 0]]), regions=((1, 2), (2,)))
    assert float(soft_dice(logits, target)) == pytest.approx(0.5, abs=1e-4)


def test_an_empty_label_of_an_empty_prediction_scores_one() -> None:
    assert float(jaccard(certain(torch.zeros(1, 4, 6).long(), 2), Target(torch.zeros(1, 4, 6)))) == pytest.approx(0)


def test_tversky_refuses_weights_that_mean_nothing() -> None:
    with pytest.raises(PlanError, match="tversky: alpha is 0 and beta 0"):
        tversky(certain(PREDICTED, 2), Target(TRUTH), alpha=0, beta=0)
