"""Where the pipeline says what it does: to a log by default, to a terminal when a command runs it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger("autoseg")

Advance = Callable[[float, str], None]


class Reporter:
    """Says sentences and follows long work. This one logs; the command line has one with progress bars."""

    def say(self, sentence: str) -> None:
        """Tell one thing that was done or decided."""
        logger.info(sentence)

    def warn(self, sentence: str) -> None:
        """Tell one thing that a person should look at."""
        logger.warning(sentence)

    @contextmanager
    def follow(self, what: str, total: float) -> Iterator[Advance]:
        """Follow long work: the caller calls `advance(done, note)` as it goes, up to `total`."""
        logger.info("%s ...", what)

        def advance(done: float, note: str = "") -> None:
            logger.debug("%s: %g of %g %s", what, done, total, note)

        yield advance
