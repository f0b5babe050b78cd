"""Adaptive mirroring: how many mirror images a window gets, and that the mean over them is what stands."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autoseg.prediction.windows.adaptive_mirroring import Limits, find_two_largest, order_mirrorings, predict_adaptively
from autoseg.prediction.windows.mirroring import list_mirrorings, predict_mirrored

AXES = (0, 1, 2)
NEVER = Limits(unclear=-1, changed=-1)


def noise(n_outputs: int, seed: int = 0):
    """A network whose answer depends on the side it is seen from alone: fixed noise."""

    def network(batch: torch.Tensor) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(1, n_outputs, *batch.shape[2:], generator=generator) * batch[:, :1]

    return network


def windows(*factors: float) -> torch.Tensor:
    return torch.tensor(factors).view(-1, 1, 1, 1, 1) * torch.ones(1, 1, 3, 4, 5)


@pytest.mark.parametrize("axes", [(), (1,), (0, 2), AXES])
def test_mirrorings_come_in_pairs_of_opposites(axes):
    order = order_mirrorings(axes)
    assert sorted(order) == sorted(list_mirrorings(axes))
    assert order[0] == ()
    for first, second in zip(order[::2], order[1::2], strict=False):
        assert set(first) ^ set(second) == set(axes)


@pytest.mark.parametrize("regions", [False, True])
@pytest.mark.parametrize("n_outputs", [2, 4])
def test_all_mirror_images_are_the_mean_of_all(n_outputs, regions):
    networks, batch = [noise(n_outputs, 1), noise(n_outputs, 2)], windows(1, 2)
    passes = predict_adaptively(networks, batch, AXES, regions=regions, limits=NEVER)
    expected = sum(predict_mirrored(network, batch, AXES) for network in networks) / 2
    assert passes.n_passes == (8, 8)
    torch.testing.assert_close(passes.members[0], expected)


def test_windows_of_a_batch_stop_on_their_own_and_members_share_the_decision():
    """The noise of the second window is far from any decision: all voxels prefer one label by a wide margin."""

    def network(batch: torch.Tensor) -> torch.Tensor:
        is_clear = (batch[:, :1] > 10).float()
        return noise(2)(batch) * (1 - is_clear) + is_clear * torch.tensor([0.0, 9.0]).view(1, 2, 1, 1, 1)

    batch = windows(1, 20, 2)
    passes = predict_adaptively(
        [network, noise(2, 3)], batch, AXES, regions=False, keep_members=True, limits=Limits(changed=-1)
    )
    assert passes.n_passes[0] == passes.n_passes[2] == 8
    alone = predict_adaptively([network], batch[1:2], AXES, regions=False)
    assert alone.n_passes == (1,)
    every = predict_mirrored(network, batch, AXES)
    torch.testing.assert_close(passes.members[0][[0, 2]], every[[0, 2]])


def test_it_stops_as_soon_as_one_more_changes_nothing():
    """A network that does not know sides, with no clear margin anywhere: the second pass changes nothing."""
    passes = predict_adaptively(
        [lambda batch: batch * torch.tensor([1.0, 1.1]).view(1, 2, 1, 1, 1)], windows(1), AXES, regions=False
    )
    assert passes.n_passes == (2,)


@pytest.mark.parametrize(("n_unclear", "n_passes"), [(1, 1), (3, 2)])
@pytest.mark.parametrize("regions", [False, True])
def test_unclear_voxels_are_counted_against_the_foreground(n_unclear, n_passes, regions):
    """Ten voxels of foreground; up to a fifth of them may be unclear."""
    logits = torch.full((1, 2, 1, 1, 50), -5.0)
    logits[0, 0] = -5 if regions else 5
    logits[0, 1, ..., :10] = 20
    logits[0, 1, ..., :n_unclear] = 0.1 if regions else 5.1
    passes = predict_adaptively(
        [lambda _: logits.clone()],
        torch.zeros(1, 1, 1, 1, 50),
        (0,),
        regions=regions,
        limits=Limits(unclear=0.2, changed=1),
    )
    assert passes.n_passes == (n_passes,)


def test_the_two_largest_are_those_of_sorting():
    logits = torch.randn(2, 5, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    best, second = find_two_largest(logits)
    ordered = np.sort(logits.numpy(), axis=1)
    np.testing.assert_array_equal(best, ordered[:, -1])
    np.testing.assert_array_equal(second, ordered[:, -2])
