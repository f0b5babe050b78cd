"""Which outputs can matter in a small piece of a volume, so that the others need not be interpolated there?

Interpolation of order 0 and 1 takes weighted means: all weights are 0 or more. A label that lies below another one at
every network voxel of a piece lies below it everywhere between them, too, and cannot win. The weights are the same for
all labels, so that the largest logit of each voxel may be taken off all of them first: then a winner's bounds are close
to 0 wherever it wins, and a piece inside an organ has one contender left. Nothing is assumed about the logits; splines
of higher order overshoot, and there every output stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-5  # share of the largest logit: labels that are nearer are not told apart before they are interpolated
NEGLIGIBLE_LOGIT = -20.0  # exp(-20) is 2e-9, below what float32 sees beside the largest probability

Array = np.ndarray


@dataclass(frozen=True)
class Contenders:
    """Outputs of a piece.

    Attributes:
        can_win: bool (K,): those that some voxel may be given to.
        have_share: bool (K,): those whose probability is not negligible in all of the piece, winners included.
        tops: (K,): of labels the highest logit, counted from the largest of its voxel; of regions the highest logit;
            of several members the highest of all.
    """

    can_win: Array
    have_share: Array
    tops: Array


def find_contenders(sources: Sequence[Array], *, are_regions: bool) -> Contenders:
    """Which outputs matter.

    Args:
        sources: for each member of an ensemble, the logits float32 (K, z, y, x) that the piece is interpolated from, by
            weights that are nowhere negative.
        are_regions: whether each output stands for itself, instead of against the others.
    """
    flat = [source.reshape(len(source), -1) for source in sources]
    if are_regions:
        highest = np.max([values.max(axis=1) for values in flat], axis=0)
        return Contenders(highest > 0, highest > NEGLIGIBLE_LOGIT, highest)
    tops, bottoms, slacks = zip(*(_bound_below_largest(values) for values in flat), strict=True)
    best = np.argmax(np.min(bottoms, axis=0))  # the label that is least far below the largest, in all members
    floors = [bottom[best] - slack for bottom, slack in zip(bottoms, slacks, strict=True)]
    can_win = np.any([top >= floor for top, floor in zip(tops, floors, strict=True)], axis=0)
    shares = [top >= bottom.max() + NEGLIGIBLE_LOGIT for top, bottom in zip(tops, bottoms, strict=True)]
    return Contenders(can_win, can_win | np.any(shares, axis=0), np.max(tops, axis=0))


def find_every_output(n_outputs: int) -> Contenders:
    """All of them."""
    return Contenders(np.ones(n_outputs, dtype=bool), np.ones(n_outputs, dtype=bool), np.full(n_outputs, np.inf))


def _bound_below_largest(values: Array) -> tuple[Array, Array, float]:
    """Highest and lowest value (K,) of each output, counted from the largest of each voxel; and how exact they are."""
    largest = values.max(axis=0)
    below = values - largest
    tops, bottoms = below.max(axis=1), below.min(axis=1)
    magnitude = float(np.abs(largest).max()) - float(bottoms.min())
    return tops, bottoms, ROUNDING * magnitude
