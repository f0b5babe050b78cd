"""Does what is left out stay within its bound? Against all outputs, densely and in float64."""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.prediction.restoring.certainty import ENTROPY_STEPS, estimate_tails, find_noticed, measure_shares
from autoseg.prediction.restoring.possible_winners import find_contenders


def measure_entropy(logits: np.ndarray) -> np.ndarray:
    """In nats, float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=0))
    shares = powers / powers.sum(axis=0)
    return -(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=0)


@pytest.mark.parametrize("n_outputs", [2, 4, 105])
@pytest.mark.parametrize("spread", [4.0, 8.0, 12.0])
def test_all_that_is_left_out_is_no_more_than_a_step(n_outputs: int, spread: float) -> None:
    logits = -np.abs(np.random.default_rng(0).normal(size=(n_outputs, 500))) * spread
    logits[0] = 0
    left_out = 0
    for voxel in logits.T:
        noticed = find_noticed(voxel, are_regions=False)
        moved = abs(measure_entropy(voxel[noticed]) - measure_entropy(voxel)) / np.log(n_outputs)
        assert moved <= 1 / ENTROPY_STEPS + 1e-12
        left_out += n_outputs - noticed.sum()
    assert left_out > 0


def test_a_region_is_left_out_where_its_own_entropy_is_below_a_step() -> None:
    logits = np.linspace(-12, 3, 200)
    chance = 1 / (1 + np.exp(-logits))
    steps = -(chance * np.log2(chance) + (1 - chance) * np.log2(1 - chance)) * ENTROPY_STEPS
    noticed = find_noticed(logits, are_regions=True)
    assert noticed[steps > 1].all()
    assert not noticed[steps < 0.9].any()


def test_shares_are_those_of_a_softmax() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 3, 4, 6)).astype(np.float32) * 4
    powers = np.exp(logits.astype(np.float64))
    shares = powers / powers.sum(axis=0)
    entropy, largest, sums = measure_shares(logits.copy(), logits.max(axis=0), 9)
    np.testing.assert_allclose(entropy, measure_entropy(logits) / np.log(9) * ENTROPY_STEPS, atol=0.51)
    np.testing.assert_allclose(largest, shares.max(axis=0), rtol=1e-5)
    np.testing.assert_allclose(sums, shares.sum(axis=(1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("are_regions", [False, True])
def test_tails_are_estimated_from_some_voxels(are_regions: bool) -> None:
    """Of logits that change as slowly as those between network voxels."""
    z, y, x = np.meshgrid(*(np.arange(n) / 20 for n in (10, 10, 11)), indexing="ij")
    source = np.stack([0 * z + 3, np.sin(z + y) - 9, np.cos(x - z) - 10]).astype(np.float32)
    powers = np.exp(source.astype(np.float64))
    shares = powers / (1 + powers) if are_regions else powers / powers.sum(axis=0)
    tails = estimate_tails([source], np.array([1, 2]), n_voxels=9000, are_regions=are_regions)
    np.testing.assert_allclose(tails, 9000 * shares[1:].mean(axis=(1, 2, 3)), rtol=0.1)


def test_fewer_outputs_are_noticed_than_have_a_share() -> None:
    source = np.zeros((30, 4, 4, 4), dtype=np.float32)
    source[1:] = -9 - np.arange(29).reshape(-1, 1, 1, 1) / 4
    contenders = find_contenders([source], are_regions=False)
    assert contenders.have_share.all()
    assert find_noticed(contenders.tops, are_regions=False).sum() < 5
