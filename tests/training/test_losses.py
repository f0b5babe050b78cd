"""Losses against closed forms, other libraries, and voxels that must not count."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from autoseg.data.labels import IGNORED
from autoseg.errors import PlanError
from autoseg.planning.choices import Loss
from autoseg.training.losses import compute_loss, cross_entropy, level_weights, shrink_target, soft_dice

BOTH = Loss(terms={"cross_entropy": 1.0, "soft_dice": 1.0})


def certain(target: torch.Tensor, n_labels: int) -> torch.Tensor:
    """Logits that are sure of a target."""
    return 100.0 * functional.one_hot(target, n_labels).movedim(-1, 1).float()


def test_a_perfect_prediction_costs_nothing() -> None:
    target = torch.randint(0, 3, (2, 3, 5, 7), generator=torch.Generator().manual_seed(0))
    loss, _ = compute_loss(certain(target, 3), target, BOTH, batch_dice=False)
    assert float(loss) == pytest.approx(0.0, abs=1e-5)


def test_soft_dice_of_half_an_overlap() -> None:
    target = torch.tensor([[[1, 1, 0, 0]]])
    predicted = torch.tensor([[[0, 1, 1, 0]]])
    assert float(soft_dice(certain(predicted, 2), target, False)) == pytest.approx(0.5, abs=1e-4)


def test_batch_dice_pools_what_sample_dice_averages() -> None:
    target = torch.tensor([[[1, 1, 1, 1]], [[1, 0, 0, 0]]])
    predicted = torch.tensor([[[1, 1, 1, 1]], [[0, 1, 0, 0]]])
    assert float(soft_dice(certain(predicted, 2), target, False)) == pytest.approx(1 - (1 + 0) / 2, abs=1e-4)
    assert float(soft_dice(certain(predicted, 2), target, True)) == pytest.approx(1 - 2 * 4 / 10, abs=1e-4)


def test_ignored_voxels_count_in_no_term() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 4, 6, generator=generator)
    target = torch.randint(0, 3, (2, 4, 6), generator=generator)
    target[:, :, 3:] = IGNORED
    loss, _ = compute_loss(logits, target, BOTH, batch_dice=False)
    cut, _ = compute_loss(logits[..., :3], target[..., :3], BOTH, batch_dice=False)
    assert float(loss) == pytest.approx(float(cut), abs=1e-6)


def test_a_batch_without_supervision_has_a_finite_loss() -> None:
    target = torch.full((1, 4, 6), IGNORED)
    assert float(cross_entropy(torch.randn(1, 3, 4, 6), target, False)) == 0.0


def test_weights_of_deep_supervision_halve_and_sum_to_one() -> None:
    assert level_weights(3) == pytest.approx([4 / 7, 2 / 7, 1 / 7])


def test_a_coarser_target_keeps_its_axes_apart() -> None:
    target = torch.arange(24).reshape(1, 2, 3, 4)
    assert shrink_target(target, (2, 3, 2)).tolist() == target[..., 1::2].tolist()


def test_an_unknown_term_is_named_with_its_neighbour() -> None:
    with pytest.raises(PlanError, match=r"soft_dise is not known. Did you mean soft_dice"):
        compute_loss(torch.zeros(1, 2, 4), torch.zeros(1, 4).long(), Loss(terms={"soft_dise": 1.0}), batch_dice=False)
