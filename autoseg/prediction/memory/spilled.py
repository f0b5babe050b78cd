"""Where does an array live that is too large for memory? In a file without a name.

The file is unlinked before anything is written: its disk space goes when the array goes, or when the process dies,
however it dies. Its pages count as resident memory while they are mapped, so that whoever fills the array releases them
now and then; the system then keeps or writes them back as it sees fit. All space is reserved beforehand, for a disk
that fills up later would end the process without a word.
"""

from __future__ import annotations

import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from autoseg.errors import ResourceError

DTYPE = np.dtype(np.float32)
BYTES_PER_GB = 1e9

Array = np.ndarray


def make_zeros(shape: Sequence[int], *, folder: Path | None = None) -> Array:
    """Make a float32 array of zeros in memory, or in an unlinked file.

    Args:
        shape: of the array.
        folder: whose disk holds the file; None is memory.

    Raises:
        ResourceError: the folder's disk has not enough space, or the folder takes no file.
    """
    n_bytes = math.prod(shape) * DTYPE.itemsize
    if folder is None or n_bytes == 0:  # an empty file cannot be mapped
        return np.zeros(tuple(shape), dtype=DTYPE)
    _require_space(folder, n_bytes)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file, n_bytes)
            return np.memmap(file, dtype=DTYPE, mode="w+", shape=tuple(shape))
    except OSError as problem:
        raise ResourceError(
            f"{folder}: could not hold {n_bytes / BYTES_PER_GB:.1f} GB of intermediate results ({problem.strerror}). "
            "Free disk space there, or allow more memory."
        ) from None


def release(array: Array) -> None:
    """Let the touched pages of a spilled array leave the resident set; its values stay. Nothing happens in memory."""
    mapped = _find_map(array)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _find_map(array: Array) -> mmap.mmap | None:
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return owner if isinstance(owner, mmap.mmap) else None


def _require_space(folder: Path, n_bytes: int) -> None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as problem:
        raise ResourceError(
            f"{folder}: intermediate results cannot be written there ({problem.strerror}). Name a folder that exists."
        ) from None
    if free < n_bytes:
        raise ResourceError(
            f"{folder}: {n_bytes / BYTES_PER_GB:.1f} GB of intermediate results do not fit, "
            f"{free / BYTES_PER_GB:.1f} GB are free. Free disk space there, or allow more memory."
        )


def _reserve(file: IO[bytes], n_bytes: int) -> None:
    """Claim the blocks now where the system can, so that a full disk is an error here and no signal later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, n_bytes)
