"""The front of score against cost, checked against its definition."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from autoseg.evaluation.fronts import find_front

FEW = st.one_of(st.integers(0, 5).map(float), st.just(math.nan))  # few values, so that ties are met


def is_dominated(pair: tuple[float, float], others: list[tuple[float, float]]) -> bool:
    cost, score = pair
    return any(other != pair and other[0] <= cost and other[1] >= score for other in others)


@given(st.lists(st.tuples(FEW, FEW), max_size=9))
def test_front_holds_exactly_what_nothing_dominates(pairs: list[tuple[float, float]]) -> None:
    known = [pair for pair in pairs if not any(map(math.isnan, pair))]
    wanted = tuple(pair in known and not is_dominated(pair, known) for pair in pairs)
    assert find_front([cost for cost, _ in pairs], [score for _, score in pairs]) == wanted


def test_cheap_and_bad_stands_beside_dear_and_good() -> None:
    assert find_front([1, 2, 3, 2], [0.1, 0.8, 0.9, 0.7]) == (True, True, True, False)


def test_unknown_cost_is_never_on_the_front() -> None:
    assert find_front([math.nan, 4.0], [0.99, 0.5]) == (False, True)
