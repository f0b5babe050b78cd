"""Where does an array live that is too large for memory? In a file without a name.

The file is unlinked before anything is written: its disk space goes when the array goes, or when the process dies,
however it dies. All space is reserved beforehand, for a disk that fills up later would end the process without a word.
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

BYTES_PER_GB = 1e9

Array = np.ndarray


def map_unlinked(shape: Sequence[int], dtype: str, folder: Path, *, purpose: str, remedy: str) -> Array:
    """An array of zeros in an unlinked file.

    Args:
        shape, dtype: of the array; it is not empty.
        folder: whose disk holds the file.
        purpose, remedy: what it is for and what else may be done, for the error's sentence.

    Raises:
        ResourceError: the folder's disk has not enough space, or the folder takes no file.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    _require_space(folder, n_bytes, purpose, remedy)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file, n_bytes)
            return np.memmap(file, dtype=dtype, mode="w+", shape=tuple(shape))
    except OSError as problem:
        raise ResourceError(
            f"{folder}: could not hold {n_bytes / BYTES_PER_GB:.1f} GB {purpose} ({problem.strerror}). {remedy}"
        ) from None


def release_pages(array: Array) -> None:
    """Let the touched pages leave the resident set; values stay. Nothing happens to an array in memory."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def _require_space(folder: Path, n_bytes: int, purpose: str, remedy: str) -> None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as problem:
        raise ResourceError(
            f"{folder}: nothing can be written there ({problem.strerror}), but {n_bytes / BYTES_PER_GB:.1f} GB are "
            f"needed {purpose}. {remedy}"
        ) from None
    if free < n_bytes:
        raise ResourceError(
            f"{folder}: {n_bytes / BYTES_PER_GB:.1f} GB are needed {purpose}, but {free / BYTES_PER_GB:.1f} GB are "
            f"free. {remedy}"
        )


def _reserve(file: IO[bytes], n_bytes: int) -> None:
    """Claim the blocks now where the system can, so that a full disk is an error here and no signal later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, n_bytes)
