"""How are cases read, computed and written at the same time, in bounded memory?

While one case is computed by the calling thread, a second thread reads the next and a third writes the last. A case
holds a slot from before it is read until it is written, so that never more cases than slots are in memory. An error
ends everything and names its case; what was computed before is still written. So it is with Ctrl-C.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, TypeVar

from autoseg.errors import AutosegError

Item = TypeVar("Item")
Read = TypeVar("Read")
Computed = TypeVar("Computed")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Stages(Generic[Item, Read, Computed, Result]):
    """What is done to every item, one stage after the other.

    Attributes:
        read, write: run in threads of their own, one item at a time and in order.
        compute: runs in the calling thread.
        name: what an error calls an item.
    """

    read: Callable[[Item], Read]
    compute: Callable[[Read], Computed]
    write: Callable[[Computed], Result]
    name: Callable[[Item], str] = str


def overlap(
    items: Iterable[Item], stages: Stages[Item, Read, Computed, Result], *, n_in_flight: int
) -> Generator[Result, None, None]:
    """Take items through all stages, lazily and in order.

    Args:
        items: consumed by the calling thread, at most `n_in_flight` ahead.
        n_in_flight: items in memory at once; 1 does one after the other, without threads.

    Yields:
        what `write` returned.

    Raises:
        AutosegError: of a stage, naming the item; any other error carries a note that names it.
    """
    if n_in_flight == 1:
        for item in items:
            with naming(stages.name(item)):
                result = stages.write(stages.compute(stages.read(item)))
            yield result
        return
    yield from _Line(stages, n_in_flight).run(iter(items))


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Let an error say which item it is about."""
    try:
        yield
    except AutosegError as problem:
        if name in str(problem):
            raise
        raise type(problem)(f"{name}: {problem}") from problem
    except Exception as problem:
        problem.add_note(f"This was {name}.")
        raise


@dataclass
class _Line(Generic[Item, Read, Computed, Result]):
    """The threads, and what waits between them."""

    stages: Stages[Item, Read, Computed, Result]
    n_in_flight: int
    slots: threading.Semaphore = field(init=False)
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.slots = threading.Semaphore(self.n_in_flight)

    def run(self, items: Iterator[Item]) -> Generator[Result, None, None]:
        reader, writer = (ThreadPoolExecutor(1, thread_name_prefix=f"autoseg-{what}") for what in ("read", "write"))
        reads: deque[tuple[str, Future[Read]]] = deque()
        writes: deque[Future[Result]] = deque()
        try:
            while True:
                for item in islice(items, self.n_in_flight - len(reads)):
                    name = self.stages.name(item)
                    reads.append((name, reader.submit(self._read, name, item)))
                if not reads:
                    break
                writes.append(self._compute(*reads.popleft(), writer))
                while writes and writes[0].done():
                    yield writes.popleft().result()
            while writes:
                yield writes.popleft().result()
        finally:
            self.ended.set()
            self.slots.release(self.n_in_flight)  # a reader that waits for a slot wakes up and sees the end
            reader.shutdown(cancel_futures=True)
            writer.shutdown()

    def _read(self, name: str, item: Item) -> Read:
        self.slots.acquire()
        if self.ended.is_set():
            raise CancelledError
        with naming(name):
            return self.stages.read(item)

    def _compute(self, name: str, read: Future[Read], writer: ThreadPoolExecutor) -> Future[Result]:
        """What was read and computed is held by nobody else, so that each stage may let it go."""
        case = read.result()
        del read
        with naming(name):
            holder = [self.stages.compute(case)]
        return writer.submit(self._write, name, holder)

    def _write(self, name: str, holder: list[Any]) -> Result:
        try:
            with naming(name):
                return self.stages.write(holder.pop())
        finally:
            self.slots.release()
