"""Devices by name, and what happens when memory runs out."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from autoseg.errors import ResourceError, UsageError
from autoseg.networks.device import (
    PREDICTION_REMEDY,
    choose_device,
    computing_exactly,
    explaining_out_of_memory,
    find_mixed_type,
    forget_peak_memory,
    measure_peak_memory_gb,
)
from autoseg.training.batches import Batch
from autoseg.training.inputs import move_input

CPU = torch.device("cpu")


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


def test_out_of_memory_at_prediction_says_what_helps_there() -> None:
    with (
        pytest.raises(ResourceError, match=r"while holding a case: .*--memory.*--fold.*--device cpu\.$") as told,
        explaining_out_of_memory("a case", PREDICTION_REMEDY),
    ):
        raise MemoryError
    assert "batch_size" not in str(told.value)


@pytest.mark.parametrize("allows", [True, False])
def test_tf32_is_off_and_then_as_it_was(allows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=True, allow_tf32=allows):
        with suppress(KeyError), computing_exactly():
            assert not cudnn.allow_tf32
            raise KeyError
        assert cudnn.allow_tf32 == allows


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="torch 2.9 and later name operators apart")
def test_tf32_is_off_where_the_newer_name_was_set() -> None:
    """In a process of its own, for torch refuses the older name ever after."""
    program = (
        "import torch; from autoseg.networks.device import computing_exactly; conv = torch.backends.cudnn.conv\n"
        "torch.backends.cudnn.rnn.fp32_precision = 'ieee'; conv.fp32_precision = 'tf32'\n"
        "with computing_exactly(): print(conv.fp32_precision)\n"
        "print(conv.fp32_precision)"
    )
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", program]
    run = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(root)})
    assert run.stdout.split() == ["ieee", "tf32"]


def test_this_process_holds_some_memory() -> None:
    assert 0.02 < measure_peak_memory_gb(torch.device("cpu")) < 1000


@pytest.mark.skipif(sys.platform != "linux", reason="the peak can be forgotten on Linux alone")
def test_a_forgotten_peak_is_not_reported_again() -> None:
    held = np.ones(40_000_000)
    del held
    before = measure_peak_memory_gb(CPU)
    forget_peak_memory(CPU)
    assert measure_peak_memory_gb(CPU) < before - 0.2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is that of getrusage")
def test_the_peak_is_not_that_of_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ru_maxrss` begins with what the parent held when it started this process, and is never forgotten."""
    parent = SimpleNamespace(ru_maxrss=1e9)
    monkeypatch.setattr(resource, "getrusage", lambda who: parent)
    assert measure_peak_memory_gb(CPU) < 1000


@pytest.mark.skipif(sys.platform != "linux", reason="the peak can be forgotten on Linux alone")
def test_what_is_freed_in_small_pieces_does_not_count() -> None:
    held = [bytes(1000) for _ in range(300_000)]
    del held
    forget_peak_memory(CPU)
    began = measure_peak_memory_gb(CPU)
    pieces = [bytes(1000) for _ in range(300_000)]
    assert measure_peak_memory_gb(CPU) > began + 0.9 * len(pieces) * 1000 / 1e9


def test_only_a_gpu_mixes_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    assert find_mixed_type("bfloat16", CPU) is find_mixed_type("float16", CPU) is None
    for is_able in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda is_able=is_able: is_able)
        assert find_mixed_type("bfloat16", gpu) is (torch.bfloat16 if is_able else None)
        assert find_mixed_type("float16", gpu) is torch.float16
        assert find_mixed_type("float32", gpu) is None


def test_a_batch_enters_with_its_previous_segmentation() -> None:
    image, labels = np.ones((2, 1, 3, 4, 5), dtype=np.float32), np.full((2, 3, 4, 5), 2, dtype=np.int16)
    assert move_input(Batch(image, labels, ()), 3, CPU).shape == (2, 1, 3, 4, 5)
    seen = move_input(Batch(image, labels, (), previous=labels), 3, CPU)
    assert seen[:, :, 0, 0, 0].tolist() == [[1, 0, 1], [1, 0, 1]]
