"""How do the logits of overlapping windows become a mean, wherever there is room for it?

The sums (K, Z, Y, X) are the one array that grows with image and labels. They live on the device, in memory, or in a
file that is mapped into memory; each value is a sum of the same float32 products in the same order everywhere. The
weights that they are divided by are made again, slab by slab, so that none are held.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autoseg.errors import UsageError
from autoseg.prediction.memory.spilled import make_zeros, release
from autoseg.prediction.options import Sums
from autoseg.prediction.windows.placing import Window

SLAB_VALUES = 2**24  # float32 values of the sums that are touched at a time: 64 MiB

Array = np.ndarray


class LogitSums:
    """Weighted sums of logits over the windows that were added.

    Args:
        n_outputs: K.
        shape: voxels (z, y, x) of the image.
        importance: float32 (*patch), on the device of the windows.
        place: where the sums live.
        folder: whose disk holds the file.

    Raises:
        ResourceError: the folder's disk has not enough space.
        UsageError: the sums belong into a file, but no folder is named.
    """

    def __init__(
        self, n_outputs: int, shape: Sequence[int], importance: Tensor, *, place: Sums, folder: Path | None = None
    ) -> None:
        if place == "file" and folder is None:
            raise UsageError("Sums of logits belong into a file, but no folder is named. Name a folder for it.")
        device = importance.device if place == "device" else torch.device("cpu")
        self._held: Array | None = None
        if device.type == "cpu":
            self._held = make_zeros((n_outputs, *shape), folder=folder if place == "file" else None)
            self._sums = torch.from_numpy(self._held)
        else:
            self._sums = torch.zeros((n_outputs, *shape), dtype=torch.float32, device=device)
        self._importance = importance.to(self._sums.device)
        self._windows: list[Window] = []

    def add(self, window: Window, logits: Tensor) -> None:
        """Add a window's logits (K, *patch), a few outputs at a time."""
        self._windows.append(window)
        importance = self._importance[window.within]
        touched = importance.numel() // importance.shape[-1] * self._sums.shape[-1]  # whole pages of the file
        n_outputs = max(1, SLAB_VALUES // touched)
        target = self._sums[(slice(None), *window.inside)]
        shown = logits[(slice(None), *window.within)]
        for begin in range(0, len(target), n_outputs):
            some = slice(begin, begin + n_outputs)
            target[some].addcmul_(shown[some].to(target.device), importance)
            self._release()

    def finish(self) -> Array:
        """Divide the sums by their weights, in place, and return them as float32 (K, Z, Y, X)."""
        for rows in self._split_rows():
            weights = self._sum_weights(rows)
            for sums in self._sums[:, rows]:
                sums /= weights
            self._release()
        return self._sums.cpu().numpy() if self._held is None else self._held

    def _sum_weights(self, rows: slice) -> Tensor:
        """The importance of all windows, summed over some rows of the first axis."""
        weights = torch.zeros_like(self._sums[0, rows])
        for window in self._windows:
            first, *others = window.inside
            begin, end = max(first.start, rows.start), min(first.stop, rows.stop)
            if begin < end:
                shift = window.within[0].start - first.start
                seen = (slice(begin + shift, end + shift), *window.within[1:])
                weights[(slice(begin - rows.start, end - rows.start), *others)] += self._importance[seen]
        return weights

    def _split_rows(self) -> Iterator[slice]:
        n_all, per_row = self._sums.shape[1], len(self._sums) * math.prod(self._sums.shape[2:])
        n_rows = max(1, SLAB_VALUES // per_row)
        for begin in range(0, n_all, n_rows):
            yield slice(begin, min(begin + n_rows, n_all))

    def _release(self) -> None:
        if self._held is not None:
            release(self._held)
