"""How a training is interrupted between two iterations and never within one.

A first Ctrl-C or SIGTERM is a wish: the loop finishes its iteration, saves, and ends as a KeyboardInterrupt. A second
one ends it at once; what was saved before stays.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether somebody wishes the training to end."""

    def __init__(self) -> None:
        self.is_wished = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """A signal handler: note the wish; raise KeyboardInterrupt if it is not the first."""
        if self.is_wished:
            raise KeyboardInterrupt
        self.is_wished = True


@contextmanager
def waiting_for_the_iteration() -> Iterator[Interruption]:
    """Within the block, interruptions are noted and left to the loop. Signals reach Python's main thread alone."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption.ask) for number in SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
