"""How do patches become batches, in time and always the same ones?

Batch i is a pure function of (seed, i): every sample has a generator of its own. So it does not matter which process
makes it, and a training that resumes at iteration i sees what it would have seen. Torch is not loaded here.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Self

import loky
import numpy as np
from loky.process_executor import BrokenProcessPool

from autoseg.data.labels import LABEL_DTYPE
from autoseg.errors import ResourceError, UsageError
from autoseg.planning.plan import Augmentation
from autoseg.preprocessing.store import StoredCase, open_case
from autoseg.training.augmentation import augment, draw_variation
from autoseg.training.sampling import Axes3, PatchPlace, draw_case, draw_place, is_foreground_sample
from autoseg.training.turning import compute_margin

MAX_OPEN_CASES = 64  # per process: two files each stay far below the usual limit of 1024
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BLOSC_NTHREADS"), "1"
)
ORPHAN_CHECK_S = 1.0


@dataclass(frozen=True)
class Batch:
    """What a network sees in one iteration.

    Attributes:
        image: float32 (B, C, *patch).
        segmentation: int16 (B, *patch) with labels and `IGNORED`.
        places: where each patch was cut.
    """

    image: np.ndarray
    segmentation: np.ndarray
    places: tuple[PatchPlace, ...]


@dataclass(frozen=True)
class BatchMaker:
    """Everything that decides what is in a batch.

    Attributes:
        folder: of the preprocessed cases.
        case_ids: cases to draw from.
        patch_size: (z, y, x), or (y, x) for a 2D network.
        batch_size: samples per batch.
        foreground_share: share of the samples that is centred on foreground.
        augmentation: None leaves patches as they are, for validation.
        mirroring_axes: axes of the patch that augmentation may flip.
        seed: not negative.
    """

    folder: Path
    case_ids: tuple[str, ...]
    patch_size: tuple[int, ...]
    batch_size: int
    foreground_share: float
    augmentation: Augmentation | None
    mirroring_axes: tuple[int, ...]
    seed: int

    def __post_init__(self) -> None:
        if not self.case_ids:
            raise UsageError(
                f"{self.folder}: batches need at least one case to draw patches from, but the list is empty."
            )

    def make(self, iteration: int) -> Batch:
        """Make batch number `iteration`, counted from 0. Raises what reading a stored case raises."""
        samples = [self._make_sample(iteration, position) for position in range(self.batch_size)]
        images, segmentations, places = zip(*samples, strict=True)
        return Batch(np.stack(images), np.stack(segmentations), places)

    def _make_sample(self, iteration: int, position: int) -> tuple[np.ndarray, np.ndarray, PatchPlace]:
        rng = np.random.default_rng([self.seed, iteration, position])
        foreground = is_foreground_sample(iteration * self.batch_size + position, self.foreground_share)
        case_id = draw_case(rng, self.case_ids)
        case = _open_case(self.folder, case_id)
        window = _add_slice(self.patch_size, 1)
        place = draw_place(rng, case_id, case.shape, case.locations, window, foreground=foreground)
        return *self._cut(case, place.start, rng), place

    def _cut(self, case: StoredCase, start: Axes3, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        size, axes = self.patch_size, self.mirroring_axes
        if self.augmentation is None:
            return _read(case, start, size, (0,) * len(size))
        variation = draw_variation(rng, self.augmentation, n_dimensions=len(size), mirroring_axes=axes)
        image, segmentation = _read(case, start, size, compute_margin(size, variation.turn))
        return augment(image, segmentation, self.augmentation, variation, patch_size=size)


def _read(
    case: StoredCase, start: Axes3, patch_size: tuple[int, ...], margin: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Read a patch and its margin: image (C, *source) and segmentation (*source), without the slice axis in 2D."""
    before = _add_slice(margin, 0)
    first = tuple(begin - n for begin, n in zip(start, before, strict=True))
    source = tuple(size + 2 * n for size, n in zip(patch_size, margin, strict=True))
    image, segmentation = case.read_patch(first, _add_slice(source, 1))
    return image.reshape(len(image), *source), segmentation.reshape(source).astype(LABEL_DTYPE)


def _add_slice(values: tuple[int, ...], of_slice: int) -> Axes3:
    """Values per axis of a patch, (y, x) or (z, y, x), as (z, y, x)."""
    z, y, x = values if len(values) == 3 else (of_slice, *values)
    return z, y, x


@lru_cache(maxsize=MAX_OPEN_CASES)
def _open_case(folder: Path, case_id: str) -> StoredCase:
    """Cases stay open in each process; the least recently used is let go."""
    return open_case(folder, case_id)


class BatchStream:
    """Batches start, start + 1, ... in order, made ahead by worker processes; the same ones whatever their number.

        with BatchStream(maker, start=0, n_workers=2, n_ahead=4) as batches:
            for batch in batches: ...

    Leaving the block ends the workers at once. A worker that dies ends in a ResourceError that names the iteration;
    other errors of a worker are raised where its batch is due.

    Attributes:
        waited_s: seconds that the consumer has waited for batches.
    """

    def __init__(self, maker: BatchMaker, *, start: int, n_workers: int, n_ahead: int) -> None:
        """`n_workers` processes, or 0 to make batches here when asked for; `n_ahead` are ready or in the making."""
        self.waited_s = 0.0
        self._maker = maker
        self._next = start
        self._n_workers = n_workers
        self._n_ahead = max(n_ahead, 1)
        self._executor: loky.ProcessPoolExecutor | None = None
        self._coming: deque[Future[Batch]] = deque()
        self._workers: set[BaseProcess] = set()

    def __enter__(self) -> Self:
        if self._n_workers > 0:
            self._executor = loky.ProcessPoolExecutor(
                self._n_workers, initializer=_start_worker, initargs=(os.getpid(),), env=ONE_THREAD
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._coming.clear()
        if self._executor is not None:
            _end_workers(self._executor, self._workers)
            self._executor = None

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        begun = time.perf_counter()
        batch = self._take(self._executor) if self._executor is not None else self._maker.make(self._next)
        self._next += 1
        self.waited_s += time.perf_counter() - begun
        return batch

    def _take(self, executor: loky.ProcessPoolExecutor) -> Batch:
        try:
            self._order(executor)
            return self._coming.popleft().result()
        except (BrokenProcessPool, MemoryError) as problem:
            raise ResourceError(self._describe_death(problem)) from problem

    def _order(self, executor: loky.ProcessPoolExecutor) -> None:
        """Ask for the batches ahead, and remember the processes that start for it."""
        others = set() if self._workers else set(active_children())
        while len(self._coming) < self._n_ahead:
            self._coming.append(executor.submit(self._maker.make, self._next + len(self._coming)))
        self._workers = self._workers or set(active_children()) - others

    def _describe_death(self, problem: BaseException) -> str:
        return (
            f"Batch {self._next} was not made: a worker process gave up ({type(problem).__name__}). The system ends "
            f"processes when memory runs out: free some, or use fewer workers than {self._n_workers}."
        )


def _end_workers(executor: loky.ProcessPoolExecutor, workers: set[BaseProcess]) -> None:
    """End processes at once; where loky lacks the means to, they finish the few batches they were given first."""
    can_kill = find_spec("psutil") is not None or shutil.which("pgrep") is not None  # loky hangs if it tries without
    executor.shutdown(wait=True, kill_workers=can_kill)
    for worker in workers:
        worker.terminate()
        worker.join()


def _start_worker(parent: int) -> None:
    """Leave Ctrl-C to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_S)
    os._exit(1)
