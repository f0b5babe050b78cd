"""What a probe runs is a training: weights move, and its batches are training's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from autoseg.networks.probing import Sample
from autoseg.training import probing
from autoseg.training.probing import begin_work, draw_nested_balls, measure_gvoxels, store_batches
from autoseg.training.state import TrainingState


@pytest.mark.parametrize("sample", [Sample("residual_unet", 4, (32, 16), 2), Sample("unet", 4, (8, 16, 16), 2)])
def test_an_iteration_moves_weights_and_their_average(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[TrainingState] = []
    begin = TrainingState.__init__
    monkeypatch.setattr(TrainingState, "__init__", lambda self, *given: (begin(self, *given), states.append(self))[0])
    work = begin_work(sample, torch.device("cpu"))
    before = [[weight.clone() for weight in network.parameters()] for network in (states[0].network, states[0].average)]
    work.descend()
    work.renew()
    for old, network in zip(before, (states[0].network, states[0].average), strict=True):
        assert any(not torch.equal(was, now) for was, now in zip(old, network.parameters(), strict=True))


def test_batches_have_the_shape_of_the_sample_and_every_label(tmp_path: Path) -> None:
    batch = store_batches(tmp_path, Sample("unet", 4, (24, 48, 40), 3, n_channels=2)).make(0)
    assert batch.image.shape == (3, 2, 24, 48, 40)
    assert set(np.unique(batch.segmentation)) <= {0, 1, 2}


def test_balls_lie_inside_each_other() -> None:
    balls = draw_nested_balls((9, 21, 31))
    assert balls[0, 0, 0] == 0
    assert balls[4, 10, 15] == 2
    assert 0 < (balls == 2).sum() < (balls == 1).sum()


def test_the_speed_of_batches_is_voxels_per_processor_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(probing.time, "thread_time", lambda: next(clock))
    n_voxels = probing.N_BATCHES * 2 * 3 * 8 * 16 * 16
    assert measure_gvoxels(Sample("unet", 4, (8, 16, 16), 2, n_channels=3)) == pytest.approx(
        n_voxels / 2 / 1e9, rel=1e-3
    )
