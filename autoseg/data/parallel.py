"""How many cases may be in memory at once, and who works on them?

Threads, because reading, decompressing, sorting and hashing happen outside Python's lock: on two cores 208 small
volumes were measured in 2.2 s by two threads, in 2.6 s by two worker processes and in 3.6 s if these had to be started.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from autoseg.data.dataset import Case
from autoseg.data.image_io import read_header
from autoseg.errors import AutosegError
from autoseg.machine import count_cores, measure_free_memory_bytes

T = TypeVar("T")
R = TypeVar("R")

Progress = Callable[[int, int], None]

MAX_THREADS = 8  # beyond this the disk is what one waits for
BYTES_PER_VOXEL_AND_CHANNEL = 16  # as stored, as float32, and a sorted copy of the foreground
BYTES_PER_VOXEL = 24  # the segmentation as stored and encoded, and masks
SHARE_OF_FREE_MEMORY = 0.5


def map_in_threads(
    function: Callable[[T], R], items: Sequence[T], *, n_threads: int | None = None, on_progress: Progress | None = None
) -> list[R]:
    """Apply `function` to every item; results in the order of the items.

    Args:
        n_threads: threads to use; None for one per core, at most `MAX_THREADS`.
        on_progress: called in the calling thread with (items done, items in all).

    Raises:
        Whatever `function` raises first; what has not begun by then never begins.
    """
    pool = ThreadPoolExecutor(n_threads or min(count_cores(), MAX_THREADS))
    try:
        futures = [pool.submit(function, item) for item in items]
        for n_done, future in enumerate(as_completed(futures), start=1):
            future.result()
            if on_progress:
                on_progress(n_done, len(items))
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def count_threads(cases: Iterable[Case]) -> int:
    """A thread per core, at most `MAX_THREADS`, and no more than can each hold the largest case in free memory."""
    most = min(count_cores(), MAX_THREADS)
    largest = max((case.images for case in cases), key=lambda files: sum(map(_size, files)), default=())
    if not largest:
        return most
    try:
        headers = [read_header(path) for path in largest]
    except AutosegError:
        return most
    z, y, x = headers[0].geometry.shape
    n_channels = sum(header.n_channels for header in headers)
    bytes_per_case = z * y * x * (n_channels * BYTES_PER_VOXEL_AND_CHANNEL + BYTES_PER_VOXEL)
    return max(1, min(most, int(SHARE_OF_FREE_MEMORY * measure_free_memory_bytes() // bytes_per_case)))


def _size(path: os.PathLike[str]) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
