"""Every random state that a training could draw from: seeded at its start, saved with it, given back at its end.

Batches have generators of their own (`batches`); these are for dropout and for whatever a user's own components draw
from: torch's generators, numpy's and Python's global ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

TORCH, CUDA, NUMPY = "torch", "cuda", "numpy"


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Within the block all global generators start from a seed; afterwards they are as they were before."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


def capture_randomness(device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The states of all generators: tensors by name, and what is no tensor as plain data."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    tensors = {TORCH: torch.get_rng_state(), NUMPY: torch.from_numpy(np.asarray(keys).astype(np.int64))}
    if device.type == "cuda":
        tensors[CUDA] = torch.cuda.get_rng_state(device)
    version, internal, gauss_next = random.getstate()
    python = {"version": version, "internal": list(internal), "gauss_next": gauss_next}
    numpy = {"name": name, "position": position, "has_gauss": has_gauss, "gauss": gauss}
    return tensors, {"python": python, "numpy": numpy}


def restore_randomness(tensors: Mapping[str, Tensor], plain: Mapping[str, Any], device: torch.device) -> None:
    """Set all generators to captured states; a GPU's only where the run was on one before."""
    torch.set_rng_state(tensors[TORCH])
    if CUDA in tensors and device.type == "cuda":
        torch.cuda.set_rng_state(tensors[CUDA], device)
    numpy, python = plain["numpy"], plain["python"]
    keys = tensors[NUMPY].numpy().astype(np.uint32)
    np.random.set_state((numpy["name"], keys, numpy["position"], numpy["has_gauss"], numpy["gauss"]))
    random.setstate((python["version"], tuple(python["internal"]), python["gauss_next"]))
