"""How is a number shown: with how many digits, and in which unit?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoseg.evaluation.pairing import DECIMALS

NOTHING = "–"
PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


@dataclass(frozen=True)
class Unit:
    """A prefix that keeps a column's numbers short."""

    prefix: str
    size: float

    def show(self, value: float) -> str:
        """The value in this unit, three digits."""
        return show_three(value / self.size)


def choose_prefix(values: Sequence[float]) -> Unit:
    """The prefix of the middle one of the values that are known and not zero."""
    known = sorted(value for value in values if value > 0 and math.isfinite(value))
    if not known:
        return Unit("", 1.0)
    middle = known[len(known) // 2]
    return next((Unit(prefix, size) for size, prefix in PREFIXES if middle >= size), Unit("", 1.0))


def show_three(value: float) -> str:
    """Three digits, or all before the point: 0.0813, 12.3, 4,830."""
    if not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    n_decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{n_decimals}f}".replace("-", "−")


def show_share(value: float) -> str:
    """A score of 0..1 with three decimals."""
    return f"{value:.3f}" if math.isfinite(value) else NOTHING


def show_difference(value: float) -> str:
    """A difference of scores with its sign and four decimals; one digit where these would all be 0."""
    if not math.isfinite(value):
        return NOTHING
    if abs(value) < 0.5 * 10**-DECIMALS:
        return "0"
    n_decimals = max(4, -math.floor(math.log10(abs(value)))) if abs(value) < 0.5e-4 else 4
    return f"{value:+.{n_decimals}f}".replace("-", "−")


def show_interval(interval: tuple[float, float], *, is_signed: bool = False) -> str:
    """The ends of an interval."""
    if not all(map(math.isfinite, interval)):
        return NOTHING
    show = show_difference if is_signed else show_share
    return f"{show(interval[0])} to {show(interval[1])}"


def show_p(value: float) -> str:
    """A p-value: small ones are only said to be small."""
    if math.isnan(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def show_count(value: float) -> str:
    """A whole number, thousands apart."""
    return f"{value:,.0f}" if math.isfinite(value) else NOTHING


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 case`, `40 cases`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def join(words: Sequence[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; or with another word."""
    return f" {word} ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])
