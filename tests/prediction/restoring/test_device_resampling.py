"""Does a device resample and decide as the CPU does? torch's own CPU stands in for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autoseg.data.labels import Region
from autoseg.planning.choices import Resampling
from autoseg.prediction.restoring.on_cpu import Target, fill
from autoseg.prediction.restoring.on_device import BYTES_IN_MEMORY, BYTES_PER_LOGIT, choose_block, fill_on_device
from autoseg.prediction.restoring.restore import Member
from autoseg.preprocessing.preprocess import Placement

CPU = torch.device("cpu")
NETWORK_SHAPE, SHAPE = (6, 21, 17), (9, 24, 35)
NESTED = (Region(name="whole", labels=(1, 2), paints=2), Region(name="core", labels=(1,), paints=1))


DEVICES = [
    CPU,
    pytest.param(
        torch.device("cuda"), marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
    ),
]


class Kept:
    def __init__(self, n_outputs: int) -> None:
        self.probabilities = np.full((n_outputs, *SHAPE), np.nan, dtype=np.float32)

    def write(self, rows, block) -> None:
        self.probabilities[(slice(None), *rows)] = block


def run(way, members, slab_bytes, device):
    target = Target(np.zeros(SHAPE, np.int16), np.zeros(SHAPE, np.uint8), Kept(members[0].n_outputs), True)
    matrices = [member.compute_matrices() for member in members]
    return target, way(members, matrices, target, slab_bytes, device)


@pytest.mark.parametrize("regions", [(), NESTED])
@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("slab_bytes", [1, 40_000, 2**28])
@pytest.mark.parametrize("device", DEVICES)
def test_blocks_are_decided_as_on_the_cpu(regions, n_members, slab_bytes, device):
    placement = Placement(
        original_shape=SHAPE, box=((0, 9), (0, 24), (0, 35)), axis_order=(0, 1, 2), network_shape=NETWORK_SHAPE
    )
    n_outputs = len(regions) or 5
    logits = np.random.default_rng(0).normal(size=(n_members, n_outputs, *NETWORK_SHAPE)).astype(np.float32) * 4
    members = [Member(each, placement, Resampling(), regions) for each in logits]
    (ours, sums), (theirs, their_sums) = (
        run(way, members, slab_bytes, where) for way, where in ((fill, CPU), (fill_on_device, device))
    )
    np.testing.assert_array_equal(theirs.segmentation, ours.segmentation)
    assert len(np.unique(ours.segmentation)) > 2
    np.testing.assert_allclose(theirs.sink.probabilities, ours.sink.probabilities, atol=1e-5)
    np.testing.assert_allclose(theirs.entropy.astype(int), ours.entropy, atol=1)
    np.testing.assert_allclose(their_sums, sums, rtol=1e-5)


def test_a_block_fits_into_the_device_and_into_memory():
    assert choose_block(2**28, 2**60) * BYTES_IN_MEMORY == 2**28
    assert choose_block(2**28, 2**20) * BYTES_PER_LOGIT <= 2**19
