"""Sums of windows: slabs, order and place change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autoseg.prediction.windows import sums
from autoseg.prediction.windows.placing import compute_importance, place_windows
from autoseg.prediction.windows.sums import LogitSums

PATCH, SHAPE, N_OUTPUTS = (4, 6, 5), (9, 5, 12), 7
WINDOWS = place_windows(SHAPE, PATCH)


def accumulate(order=slice(None), place="memory", folder=None) -> np.ndarray:
    sums = LogitSums(N_OUTPUTS, SHAPE, torch.from_numpy(compute_importance(PATCH)), place=place, folder=folder)
    logits = torch.randn(len(WINDOWS), N_OUTPUTS, *PATCH, generator=torch.Generator().manual_seed(0))
    for window, one in list(zip(WINDOWS, logits, strict=True))[order]:
        sums.add(window, one)
    return sums.finish()


def test_the_order_of_windows_is_a_matter_of_rounding():
    np.testing.assert_allclose(accumulate(slice(None, None, -1)), accumulate(), atol=1e-5)


@pytest.mark.parametrize("slab_values", [1, 200, 1000])
@pytest.mark.parametrize("place", ["device", "memory", "file"])
def test_small_slabs_give_equal_bits(slab_values, place, tmp_path, monkeypatch):
    expected = accumulate()
    monkeypatch.setattr(sums, "SLAB_VALUES", slab_values)
    np.testing.assert_array_equal(accumulate(place=place, folder=tmp_path), expected)


def test_windows_that_agree_are_kept_to_the_last_corner():
    sums = LogitSums(2, SHAPE, torch.from_numpy(compute_importance(PATCH)), place="memory")
    for window in WINDOWS:
        sums.add(window, torch.tensor([0.3, -70.0]).view(2, 1, 1, 1).expand(2, *PATCH))
    np.testing.assert_allclose(sums.finish(), np.broadcast_to([[[[0.3]]], [[[-70.0]]]], (2, *SHAPE)), rtol=1e-6)
