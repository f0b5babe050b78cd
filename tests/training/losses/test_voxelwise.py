"""Costs of voxels against torch's own and against sums on paper."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from autoseg.data.labels import IGNORED
from autoseg.errors import PlanError
from autoseg.training.losses import Target
from autoseg.training.losses.voxelwise import cross_entropy, focal, top_k, weighted_cross_entropy

REGIONS = ((1, 2), (2,))


def draw(n_outputs: int = 3, n_labels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, n_outputs, 3, 6, 5, generator=generator)
    return logits, torch.randint(-1, n_labels, (2, 3, 6, 5), generator=generator)


def test_cross_entropy_is_torchs_bit_for_bit() -> None:
    logits, labels = draw()
    total = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    assert float(cross_entropy(logits, Target(labels))) == float(total / (labels != IGNORED).sum())


def test_regions_cost_binary_cross_entropy_over_voxels_and_regions() -> None:
    logits, labels = draw(n_outputs=2)
    known = labels != IGNORED
    truth = torch.stack([labels > 0, labels == 2], -1)[known].float()
    expected = functional.binary_cross_entropy_with_logits(logits.movedim(1, -1)[known], truth)
    torch.testing.assert_close(cross_entropy(logits, Target(labels, regions=REGIONS)), expected)
    annotated = torch.tensor([[True, False]] * 2)
    expected = functional.binary_cross_entropy_with_logits(logits[:, 0][known], truth[:, 0])
    torch.testing.assert_close(cross_entropy(logits, Target(labels, REGIONS, annotated)), expected)


def test_what_is_not_annotated_costs_nothing_but_must_not_be_what_is() -> None:
    """Background may as well be any label that a sample is not annotated for (Shi et al.), on paper."""
    logits = torch.tensor([0.2, 0.5, 0.3]).log().view(1, 3, 1).expand(1, 3, 2)
    annotated = torch.tensor([[True, True, False]])
    cost = cross_entropy(logits, Target(torch.tensor([[0, 1]]), annotated=annotated))
    assert float(cost) == pytest.approx((-math.log(0.2 + 0.3) - math.log(0.5)) / 2)
    nothing = Target(torch.tensor([[0, 1]]), annotated=torch.tensor([[True, False, False]]))
    assert float(cross_entropy(logits, nothing)) == pytest.approx(0, abs=1e-6)


def test_weights_of_labels_are_torchs() -> None:
    logits, labels = draw()
    expected = functional.cross_entropy(logits, labels, weight=torch.tensor([0.5, 2, 3]), ignore_index=IGNORED)
    torch.testing.assert_close(weighted_cross_entropy(logits, Target(labels), weights=[0.5, 2, 3]), expected)


def test_weights_of_regions_weigh_channels() -> None:
    logits, labels = draw(n_outputs=2)
    first, second = (cross_entropy(logits[:, k : k + 1], Target(labels, regions=REGIONS[k : k + 1])) for k in range(2))
    weighted = weighted_cross_entropy(logits, Target(labels, regions=REGIONS), weights=[3, 1])
    torch.testing.assert_close(weighted, (3 * first + second) / 4)


def test_inverse_frequency_lets_every_label_weigh_the_same() -> None:
    labels = torch.tensor([[0] * 8 + [1] * 2 + [IGNORED]])
    logits = torch.zeros(1, 3, 11)
    logits[:, 1, 8:10] = -2.0
    costs = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none")[0]
    balanced = weighted_cross_entropy(logits, Target(labels))
    torch.testing.assert_close(balanced, (costs[0] + costs[8]) / 2)


def test_inverse_frequency_weighs_a_regions_inside_like_its_outside() -> None:
    labels = torch.tensor([[0, 0, 0, 1]])
    logits = torch.tensor([[[1.0, 1.0, 1.0, 2.0]]])
    inside, outside = functional.softplus(torch.tensor(-2.0)), functional.softplus(torch.tensor(1.0))
    balanced = weighted_cross_entropy(logits, Target(labels, regions=((1,),)))
    torch.testing.assert_close(balanced, (inside + outside) / 2)


def test_a_handful_of_voxels_does_not_rule_a_batch() -> None:
    labels = torch.zeros(1, 10, 100, 100).long()
    labels[0, 0, 0, 0] = 1
    logits = torch.zeros(1, 2, 10, 100, 100)
    logits[0, 0, 0, 0, 0] = 20  # the one voxel of label 1 is missed for certain
    assert float(weighted_cross_entropy(logits, Target(labels))) < 0.1 * 20 / 2 + math.log(2)


@pytest.mark.parametrize("weights", [[1, 2], "inverse", [1, -1, 1], 3, [1, "2", 3]])
def test_weights_that_fit_no_labels_are_refused(weights: object) -> None:
    logits, labels = draw()
    with pytest.raises(PlanError, match="inverse_frequency or a list of 3 numbers"):
        weighted_cross_entropy(logits, Target(labels), weights=weights)  # type: ignore[arg-type]


def test_focal_loss_on_paper() -> None:
    logits = torch.tensor([0.25, 0.75]).log().view(1, 2, 1).expand(1, 2, 2)
    expected = -(0.75**3 * math.log(0.25) + 0.25**3 * math.log(0.75)) / 2
    assert float(focal(logits, Target(torch.tensor([[0, 1]])), gamma=3)) == pytest.approx(expected)


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    logits, labels = draw(n_outputs=2)
    for target in (Target(labels.clamp(max=1)), Target(labels, regions=REGIONS)):
        torch.testing.assert_close(focal(logits, target, gamma=0), cross_entropy(logits, target))


def test_top_k_averages_the_hardest_of_each_sample() -> None:
    logits, labels = draw()
    costs = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none")
    hardest = []
    for cost, label in zip(costs, labels, strict=True):
        ranked = sorted(cost[label != IGNORED].tolist(), reverse=True)
        hardest += ranked[: math.ceil(0.2 * len(ranked))]
    assert float(top_k(logits, Target(labels), share=0.2)) == pytest.approx(sum(hardest) / len(hardest), rel=1e-5)


def test_top_k_of_everything_is_cross_entropy() -> None:
    logits, labels = draw(n_outputs=2)
    target = Target(labels, REGIONS, torch.tensor([[True, False], [True, True]]))
    torch.testing.assert_close(top_k(logits, target, share=1), cross_entropy(logits, target))


def test_numbers_out_of_range_are_refused() -> None:
    logits, labels = draw()
    with pytest.raises(PlanError, match="share is 0, but"):
        top_k(logits, Target(labels), share=0)
    with pytest.raises(PlanError, match="gamma is -1, but"):
        focal(logits, Target(labels), gamma=-1)
