"""Which methods are worth their cost: none is both better and cheaper?

These are the Pareto front of score against cost. A method is dominated by one that costs no more and scores no less,
and is better in at least one of the two; all that are not dominated make the front, equals side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def find_front(costs: Sequence[float], scores: Sequence[float]) -> tuple[bool, ...]:
    """Whether each method is on the front.

    Args:
        costs: of each method, less is better; NaN where it is not known, which is never on the front.
        scores: of each method, more is better; NaN likewise.

    Returns:
        One answer per method, in the order given.
    """
    known = [index for index, pair in enumerate(zip(costs, scores, strict=True)) if not any(map(math.isnan, pair))]
    front: set[int] = set()
    best = -math.inf
    cheapest_at_best = math.inf
    for index in sorted(known, key=lambda index: (costs[index], -scores[index])):
        is_better = scores[index] > best
        if is_better or (scores[index] == best and costs[index] == cheapest_at_best):
            front.add(index)
        if is_better:
            best, cheapest_at_best = scores[index], costs[index]
    return tuple(index in front for index in range(len(costs)))
