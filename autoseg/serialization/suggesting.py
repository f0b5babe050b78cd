"""Which name did a person mean by one that is not known?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_SHOWN = 20  # names in a sentence
LEAST_LIKENESS = 0.6  # of difflib's ratio, from 0 to 1: two letters of five may be wrong


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A closing sentence for an unknown name: the nearest known one, or the first ones of all."""
    options = list(known)
    near = difflib.get_close_matches(word, options, n=1, cutoff=LEAST_LIKENESS)
    if near:
        return f" Did you mean {near[0]}?"
    rest = f" and {len(options) - MOST_SHOWN} more" if len(options) > MOST_SHOWN else ""
    return f" Known: {', '.join(options[:MOST_SHOWN])}{rest}." if options else ""
