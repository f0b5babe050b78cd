"""Agreement of networks: weighted overlaps against a loop over voxels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from autoseg.prediction.windows.agreement import Agreement, AgreementCount, decide

SHAPE = (3, 4, 5)
WITHIN = (slice(1, 3), slice(0, 4), slice(2, 5))


def make_logits(n_members: int, n_outputs: int) -> torch.Tensor:
    return torch.randn(n_members, n_outputs, *SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("regions", [False, True])
def test_sums_are_those_of_a_loop_over_voxels(regions):
    logits, importance = make_logits(3, 4), torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))
    count = AgreementCount(3, 4)
    for _ in range(2):
        count.add([decide(one[None], regions=regions)[0] for one in logits], importance, WITHIN)
    agreement = count.finish()
    chosen = logits > 0 if regions else logits == logits.max(dim=1, keepdim=True).values
    sizes, pairs = np.zeros((3, 4)), np.zeros((3, 4))
    for z, y, x in itertools.product(range(1, 3), range(4), range(2, 5)):
        at = chosen[:, :, z, y, x].numpy()
        sizes += 2 * at * importance[z, y, x].item()
        pairs += 2 * np.stack([at[a] & at[b] for a, b in ((0, 1), (0, 2), (1, 2))]) * importance[z, y, x].item()
    np.testing.assert_allclose(agreement.sizes, sizes, rtol=1e-6)
    np.testing.assert_allclose(agreement.intersections, pairs, rtol=1e-6)


def test_mean_pairwise_dice_leaves_out_pairs_that_see_nothing():
    sizes = np.array([[8.0, 4.0, 0.0], [10.0, 0.0, 0.0], [6.0, 0.0, 0.0]])
    intersections = np.array([[6.0, 0.0, 0.0], [5.0, 0.0, 0.0], [4.0, 0.0, 0.0]])
    first, second, third = Agreement(3, intersections, sizes).mean_pairwise_dice()
    assert first == pytest.approx((12 / 18 + 10 / 14 + 8 / 16) / 3)
    assert second == 0
    assert third is None


@pytest.mark.parametrize("regions", [False, True])
def test_nothing_is_fetched_from_the_device_before_the_end(regions):
    """The meta device has no values: whatever waited for one would be an error."""
    count = AgreementCount(3, 4, "meta")
    decisions = [decide(one[None], regions=regions)[0] for one in make_logits(3, 4).to("meta")]
    count.add(decisions, torch.rand(SHAPE, device="meta"), WITHIN)
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        count.finish()


def test_of_equal_logits_the_smaller_label_wins_and_a_region_needs_more_than_zero():
    logits = torch.zeros(1, 3, *SHAPE)
    assert not decide(logits, regions=False).any()
    assert not decide(logits, regions=True).any()
