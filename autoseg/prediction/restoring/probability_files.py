"""How do probabilities become files, however many outputs there are, without being in memory together?

Every output is one NIfTI file in the geometry of the image: uint8, whose header says that 255 is 1. Pieces are written
as they are made into spools on the disk, a byte per output and voxel; at the end the spools are compressed, and only
when all are, the files get their names.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np

from autoseg.data.geometry import Geometry
from autoseg.data.nifti_writing import make_spool, write_nifti
from autoseg.data.unlinked import release_pages
from autoseg.machine import count_cores
from autoseg.prediction.restoring.on_cpu import Rows3
from autoseg.prediction.restoring.restore import view_crop
from autoseg.preprocessing.preprocess import Placement

LARGEST = 255  # stands for a probability of 1
BYTES_BETWEEN_RELEASES = 2**25  # of spool that may be resident
MAX_THREADS = 8

Array = np.ndarray


class ProbabilityFiles:
    """A `ProbabilitySink` that writes files when the `with` block ends well, and nothing when it fails."""

    def __init__(self, paths: Sequence[Path], geometry: Geometry, placement: Placement, *, are_regions: bool) -> None:
        """Reserve the spools beside the files.

        Args:
            paths: `.nii.gz` of one folder, one per output, in their order.
            geometry: of the image.
            placement: where the crop lies in it. Outside, background is 1 and everything else is 0.
            are_regions: whether the outputs are regions; else the first one is background.

        Raises:
            ResourceError: the disk has not enough space.
        """
        self._paths, self._geometry = tuple(paths), geometry
        self._paths[0].parent.mkdir(parents=True, exist_ok=True)
        outside = [LARGEST if index == 0 and not are_regions else 0 for index in range(len(paths))]
        self._spools = [
            make_spool(geometry.shape, "uint8", path.parent, fill=value)
            for path, value in zip(paths, outside, strict=True)
        ]
        self._crops = [view_crop(spool, placement) for spool in self._spools]
        self._lock, self._n_resident = threading.Lock(), 0

    def write(self, rows: Rows3, block: Array) -> None:
        """Take probabilities float32 (K, ...) of the crop, at `rows` in axis order; blocks come in any order."""
        for crop, values in zip(self._crops, block, strict=True):
            part = crop[rows]
            part[...] = np.rint(values * np.float32(LARGEST))
            self._count_resident(count_touched_bytes(part))

    def _count_resident(self, n_bytes: int) -> None:
        with self._lock:
            self._n_resident += n_bytes
            is_much = self._n_resident >= BYTES_BETWEEN_RELEASES
            self._n_resident = 0 if is_much else self._n_resident
        if is_much:
            for spool in self._spools:
                release_pages(spool)

    def __enter__(self) -> ProbabilityFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write_files()
        finally:
            self._crops, self._spools = [], []

    def _write_files(self) -> None:
        """Compress all beside their places, and rename them when none can fail any more."""
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=self._paths[0].parent) as holder:
            made = [Path(holder) / path.name for path in self._paths]
            with ThreadPoolExecutor(min(count_cores(), MAX_THREADS)) as pool:
                list(pool.map(self._write_file, made, self._spools))
            for temporary, path in zip(made, self._paths, strict=True):
                os.replace(temporary, path)

    def _write_file(self, path: Path, spool: Array) -> None:
        write_nifti(path, spool, self._geometry, slope=1 / LARGEST)


def count_spool_bytes(shape: Sequence[int], n_outputs: int) -> int:
    """Bytes of disk that the spools of one image (Z, Y, X) take; what they are compressed to comes on top."""
    return n_outputs * math.prod(shape)


def count_touched_bytes(part: Array) -> int:
    """Bytes of the pages, at most, that a part of a mapped array lies on.

    The shortest stride first: a run of values; runs that lie apart touch a page each, those that lie close share them.
    """
    span, n_pages = part.itemsize, 1
    for stride, n in sorted(zip(part.strides, part.shape, strict=True)):
        span += stride * (n - 1)
        n_pages = min(n * n_pages, span // mmap.PAGESIZE + 2)
    return n_pages * mmap.PAGESIZE
