"""Mirroring: every subset of the axes, flipped there and back."""

from __future__ import annotations

import pytest
import torch

from autoseg.prediction.windows import mirroring
from autoseg.prediction.windows.mirroring import list_mirrorings, predict_mirrored


def ramp(batch: torch.Tensor) -> torch.Tensor:
    """A network that knows where it is along each axis: z + 10 y + 100 x of the window it sees, times the input."""
    z, y, x = (torch.arange(n, dtype=torch.float32) for n in batch.shape[2:])
    return batch * (z[:, None, None] + 10 * y[:, None] + 100 * x)


def test_all_subsets_of_the_axes_are_listed_once():
    assert list_mirrorings((0, 2)) == ((), (0,), (2,), (0, 2))
    assert list_mirrorings(()) == ((),)
    assert len(set(list_mirrorings((0, 1, 2)))) == 8


def test_mirroring_an_axis_averages_what_is_seen_from_both_ends():
    window = torch.ones(1, 1, 2, 3, 5)
    mirrored = predict_mirrored(ramp, window, (2,))
    once = ramp(window)
    torch.testing.assert_close(mirrored, (once + once.flip(4)) / 2)
    assert not torch.allclose(mirrored, (once + once.flip(2)) / 2)


def test_a_pointwise_network_does_not_notice():
    window = torch.rand(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(predict_mirrored(lambda batch: batch * 3, window, (0, 1, 2)), window * 3)


def test_without_axes_the_network_runs_once():
    calls = []
    predict_mirrored(lambda batch: calls.append(1) or batch, torch.ones(1, 1, 2, 2))
    assert len(calls) == 1


def test_half_precision_is_averaged_in_float32():
    assert predict_mirrored(lambda batch: batch.half(), torch.ones(1, 1, 2, 2), (0,)).dtype == torch.float32


@pytest.mark.parametrize(("most", "batches"), [(1, [2] * 4), (4, [4, 4]), (6, [6, 2]), (100, [8])])
def test_mirror_images_fill_a_batch_up(most, batches):
    seen = []
    window = torch.rand(2, 1, 2, 3, 5, generator=torch.Generator().manual_seed(0))
    mirrored = predict_mirrored(lambda batch: seen.append(len(batch)) or ramp(batch), window, (0, 2), most=most)
    assert seen == batches
    torch.testing.assert_close(mirrored, predict_mirrored(ramp, window, (0, 2)))


def test_many_outputs_are_turned_back_a_few_at_a_time(monkeypatch):
    window = torch.rand(1, 7, 2, 3, 5, generator=torch.Generator().manual_seed(0))
    expected = predict_mirrored(ramp, window, (1, 2))
    monkeypatch.setattr(mirroring, "WORKING_VALUES", 70)
    torch.testing.assert_close(predict_mirrored(ramp, window, (1, 2)), expected)
