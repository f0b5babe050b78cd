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
    seen = predict_adaptively(networks, batch, AXES, regions=regions, limits=NEVER)
    expected = sum(predict_mirrored(network, batch, AXES) for network in networks) / 2
    assert seen.n_mirrorings == (8, 8)
    torch.testing.assert_close(seen.members[0], expected)


def test_windows_of_a_batch_stop_on_their_own_and_members_share_the_decision():
    """The first network is sure of the second window by so much that the other's doubts do not count."""
    side = torch.arange(5.0)

    def sure(batch: torch.Tensor) -> torch.Tensor:
        is_clear = (batch[:, :1] > 10).float()
        clear = torch.stack([side, 90 + 2 * side]).view(1, 2, 1, 1, 5)
        return noise(2)(batch) * (1 - is_clear) + is_clear * clear

    def unsure(batch: torch.Tensor) -> torch.Tensor:
        return noise(2, 3)(batch / batch.abs().amax(dim=(1, 2, 3, 4), keepdim=True))

    networks, batch = [sure, unsure], windows(1, 20, 2)
    limits = Limits(changed=-1)
    seen = predict_adaptively(networks, batch, AXES, regions=False, keep_members=True, limits=limits)
    assert seen.n_mirrorings == (8, 1, 8)
    assert predict_adaptively([unsure], batch, AXES, regions=False, limits=limits).n_mirrorings == (8, 8, 8)
    for network, member in zip(networks, seen.members, strict=True):
        torch.testing.assert_close(member[[0, 2]], predict_mirrored(network, batch, AXES)[[0, 2]])
        torch.testing.assert_close(member[1], network(batch[1:2])[0])
        assert not torch.allclose(member[1], predict_mirrored(network, batch[1:2], AXES)[0])


def test_it_stops_as_soon_as_one_more_changes_nothing():
    """A network that does not know sides, with no clear margin anywhere: the second pass changes nothing."""
    seen = predict_adaptively(
        [lambda batch: batch * torch.tensor([1.0, 1.1]).view(1, 2, 1, 1, 1)], windows(1), AXES, regions=False
    )
    assert seen.n_mirrorings == (2,)


@pytest.mark.parametrize(("n_unclear", "n_mirrorings"), [(1, 1), (3, 2)])
@pytest.mark.parametrize("regions", [False, True])
def test_unclear_voxels_are_counted_against_the_foreground(n_unclear, n_mirrorings, regions):
    """Ten voxels of foreground; up to a fifth of them may be unclear."""
    logits = torch.full((1, 2, 1, 1, 50), -5.0)
    logits[0, 0] = -5 if regions else 5
    logits[0, 1, ..., :10] = 20
    logits[0, 1, ..., :n_unclear] = 0.1 if regions else 5.1
    seen = predict_adaptively(
        [lambda _: logits.clone()],
        torch.zeros(1, 1, 1, 1, 50),
        (0,),
        regions=regions,
        limits=Limits(unclear=0.2, changed=1),
    )
    assert seen.n_mirrorings == (n_mirrorings,)


@pytest.mark.parametrize("keep_members", [False, True])
def test_members_that_are_kept_are_those_of_the_mean(keep_members):
    """Windows that go on alone, a few of the batch, are summed over the members like all of them."""
    networks, batch = [noise(3, seed) for seed in range(3)], windows(1, 300, 2, 400)
    limits = Limits(margin=2, unclear=0.1, changed=-1)
    seen = predict_adaptively(networks, batch, AXES, regions=False, keep_members=keep_members, limits=limits)
    assert seen.n_mirrorings == (8, 1, 8, 1)
    mean = sum(seen.members) / len(seen.members)
    torch.testing.assert_close(mean[1::2], sum(network(batch[1::2]) for network in networks) / 3)
    torch.testing.assert_close(mean[::2], sum(predict_mirrored(one, batch[::2], AXES) for one in networks) / 3)


def test_the_two_largest_are_those_of_sorting():
    logits = torch.randn(2, 5, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    best, second = find_two_largest(logits)
    ordered = np.sort(logits.numpy(), axis=1)
    np.testing.assert_array_equal(best, ordered[:, -1])
    np.testing.assert_array_equal(second, ordered[:, -2])
