"""Devices by name, and what happens when memory runs out."""

from __future__ import annotations

import pytest
import torch

from autoseg.errors import ResourceError, UsageError
from autoseg.training.device import choose_device, explaining_out_of_memory, measure_peak_memory_gb


def test_a_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in {"cpu", "cuda", "mps"}


def test_an_unknown_device_is_named_with_its_neighbour() -> None:
    with pytest.raises(UsageError, match=r"cudda is not known. Did you mean cuda\?"):
        choose_device("cudda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_torch_does_not_see_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"sees no such device. Use --device cpu"):
        choose_device("cuda:1")


def test_out_of_memory_says_what_was_held_and_what_to_set() -> None:
    with (
        pytest.raises(ResourceError, match=r"while holding a batch of 2.*autoseg plan --gpu-memory"),
        explaining_out_of_memory("a batch of 2"),
    ):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")


def test_this_process_holds_some_memory() -> None:
    assert 0.02 < measure_peak_memory_gb(torch.device("cpu")) < 1000
