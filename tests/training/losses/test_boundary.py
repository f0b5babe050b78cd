"""Distances against brute force, and terms of distance against sums on paper."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from autoseg.errors import PlanError
from autoseg.training.losses import Target, shrink_target
from autoseg.training.losses.boundary import boundary, hausdorff, measure_signed_distance


def certain(foreground: torch.Tensor) -> torch.Tensor:
    """Logits of background and one label that are sure of a mask (B, *patch)."""
    return 100.0 * torch.stack([~foreground, foreground], 1).float()


def test_distances_are_those_of_brute_force_on_an_anisotropic_grid() -> None:
    mask = torch.rand(1, 1, 3, 5, 4, generator=torch.Generator().manual_seed(0)) > 0.6
    found = measure_signed_distance(mask, (3.0, 1.0, 0.5))[0, 0]
    inside = mask[0, 0].numpy()
    for place in product(*map(range, inside.shape)):
        others = np.argwhere(inside != inside[place])
        nearest = np.sqrt((((others - place) * (3.0, 1.0, 0.5)) ** 2).sum(1)).min()
        assert float(found[place]) == pytest.approx(-nearest if inside[place] else nearest)


@pytest.mark.parametrize("mask", [torch.zeros(1, 1, 3, 4), torch.ones(1, 1, 3, 4)])
def test_without_a_boundary_there_is_no_distance(mask: torch.Tensor) -> None:
    assert not measure_signed_distance(mask.bool(), (1, 1)).any()


def test_boundary_loss_on_paper() -> None:
    truth, predicted = torch.tensor([[0, 0, 1, 1]]), torch.tensor([[False, True, True, False]])
    assert float(boundary(certain(predicted), Target(truth))) == pytest.approx((1 - 1) / 4)
    assert float(boundary(certain(truth == 1), Target(truth), spacing=[3.0])) == pytest.approx(3 * (-1 - 2) / 4)


def test_hausdorff_loss_on_paper() -> None:
    truth, predicted = torch.tensor([[1, 0, 0, 0]]), torch.tensor([[True, True, True, False]])
    wrong = (1**2 + 2**2) + (2**2 + 1**2)  # squared distances of both masks, at each of the two wrong voxels
    assert float(hausdorff(certain(predicted), Target(truth))) == pytest.approx(wrong / 4)
    assert float(hausdorff(certain(predicted), Target(truth), exponent=1)) == pytest.approx((3 + 3) / 4)


def test_coarser_levels_measure_in_voxels_of_the_finest() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]).view(1, 1, 8).expand(1, 4, 8)
    coarse = shrink_target(Target(labels), (4, 4))
    right = certain(coarse.labels == 1)
    assert float(boundary(right, coarse)) == pytest.approx((-2 - 4) / 4)
    assert float(boundary(right, coarse, spacing=[9.0, 0.5])) == pytest.approx((-1 - 2) / 4)


@pytest.mark.parametrize("spacing", [[1.0], [1, 0], "1 1", [1, "1"]])
def test_a_spacing_that_fits_no_patch_is_refused(spacing: object) -> None:
    with pytest.raises(PlanError, match=r"boundary: spacing is .* 2 positive numbers"):
        boundary(torch.zeros(1, 2, 3, 4), Target(torch.zeros(1, 3, 4)), spacing=spacing)  # type: ignore[arg-type]


def test_an_exponent_that_is_not_positive_is_refused() -> None:
    with pytest.raises(PlanError, match="exponent is 0, but must be positive"):
        hausdorff(torch.zeros(1, 2, 3, 4), Target(torch.zeros(1, 3, 4)), exponent=0)
