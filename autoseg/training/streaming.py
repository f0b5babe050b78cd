"""How do batches come in time? Worker processes make them ahead, and none outlives its stream.

What is streamed may be finished, or left for the training device to finish. Torch is not loaded here, nor by the
workers.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from importlib.util import find_spec
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import loky
from loky.process_executor import BrokenProcessPool

from autoseg.errors import ResourceError

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BLOSC_NTHREADS"), "1"
)
ORPHAN_CHECK_S = 1.0

Made_co = TypeVar("Made_co", covariant=True)
Made = TypeVar("Made")


class Maker(Protocol[Made_co]):
    """What makes batches, e.g. a `BatchMaker`."""

    def make(self, iteration: int, /) -> Made_co:
        """Make batch number `iteration`, always the same."""
        ...


class BatchStream(Generic[Made]):
    """Batches start, start + 1, ... in order, made ahead by worker processes; the same ones whatever their number.

        with BatchStream(maker, start=0, n_workers=2, n_ahead=4) as batches:
            for batch in batches: ...

    Where the maker changes in the course of training, `choose` says which one makes a batch when that is ordered:

        with BatchStream(choose=lambda iteration: small if iteration < 100 else large, start=0, ...) as batches: ...

    Leaving the block ends the workers at once. A worker that dies ends in a ResourceError that names the iteration;
    other errors of a worker are raised where its batch is due.

    Attributes:
        waited_s: seconds that the consumer has waited for batches.
    """

    def __init__(
        self,
        source: Maker[Made] | Callable[[int], Made] | None = None,
        *,
        start: int,
        n_workers: int,
        n_ahead: int,
        choose: Callable[[int], Maker[Made]] | None = None,
    ) -> None:
        """`n_workers` processes, or 0 to make batches here when asked for; `n_ahead` are ready or in the making.

        Args:
            source: a maker, or a function of the iteration; both can be pickled.
            start: number of the first batch.
            choose: called here with the number of each batch, in order and once, when it is ordered; instead of a
                source.
        """
        if (source is None) == (choose is None):
            raise ValueError("A BatchStream takes either a source or a choice between makers, and not both.")
        self.waited_s = 0.0
        self._source = source
        self._choose = choose
        self._next = start
        self._n_workers = n_workers
        self._n_ahead = max(n_ahead, 1)
        self._executor: loky.ProcessPoolExecutor | None = None
        self._coming: deque[Future[Made]] = deque()
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

    def __iter__(self) -> Iterator[Made]:
        return self

    def __next__(self) -> Made:
        begun = time.perf_counter()
        batch = self._take(self._executor) if self._executor is not None else self._find_maker(self._next)(self._next)
        self._next += 1
        self.waited_s += time.perf_counter() - begun
        return batch

    def _take(self, executor: loky.ProcessPoolExecutor) -> Made:
        try:
            self._order(executor)
            return self._coming.popleft().result()
        except (BrokenProcessPool, MemoryError) as problem:
            raise ResourceError(self._describe_death(problem)) from problem

    def _order(self, executor: loky.ProcessPoolExecutor) -> None:
        """Ask for the batches ahead, and remember the processes that start for it."""
        others = set() if self._workers else set(active_children())
        while len(self._coming) < self._n_ahead:
            iteration = self._next + len(self._coming)
            self._coming.append(executor.submit(self._find_maker(iteration), iteration))
        self._workers = self._workers or set(active_children()) - others

    def _find_maker(self, iteration: int) -> Callable[[int], Made]:
        source: Any = self._choose(iteration) if self._choose is not None else self._source
        make: Callable[[int], Made] = getattr(source, "make", source)
        return make

    def _describe_death(self, problem: BaseException) -> str:
        return (
            f"Batch {self._next} was not made: a worker process gave up ({type(problem).__name__}). The system ends "
            f"processes when memory runs out: free some, or use fewer workers than {self._n_workers} "
            "(--workers 0 makes batches without any)."
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
