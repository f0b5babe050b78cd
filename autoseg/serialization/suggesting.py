"""Which name did a person mean by one that is not known?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LEAST_LIKENESS = 0.6  # of difflib's ratio, from 0 to 1: two letters of five may be wrong


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A closing sentence for an unknown name: the nearest known one, or all of them."""
    options = list(known)
    near = difflib.get_close_matches(word, options, n=1, cutoff=LEAST_LIKENESS)
    if near:
        return f" Did you mean {near[0]}?"
    return f" Known: {', '.join(options)}." if options else ""
