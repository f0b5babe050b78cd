"""How many features does each stage have? (width)

Source: Isensee et al., Nature Methods 2021: 32, doubling, up to a cap. On a CPU a narrower network, because it learns
more from many cheap iterations than a wide one from few.
"""

from __future__ import annotations

from collections.abc import Callable

from autoseg.decision import Decision, ruled

FULL_WIDTH = 32  # features of the finest stage; borrowed
WIDTHS = (32, 24, 16, 12, 8)
MAX_FEATURES = {2: 512, 3: 320}  # by number of dimensions; borrowed
ENOUGH_ITERATIONS = 4000  # a width pays off once it gets so many. On Hippocampus width 8 reached a Dice of 0.8845 after
# 4,070 iterations in 10 minutes, width 16 one of 0.876 after 780; in 30 minutes width 16 got 4,885 and reached 0.888,
# after 2,342 of a larger patch 0.8845 (one run each, benchmarks/LOG.md); unproven elsewhere


def compute_features(*, width: int, n_stages: int, n_dimensions: int) -> tuple[int, ...]:
    """Features per stage, finest first."""
    return tuple(min(width * 2**stage, MAX_FEATURES[n_dimensions]) for stage in range(n_stages))


def decide_features(*, width: int, n_stages: int, n_dimensions: int) -> Decision[tuple[int, ...]]:
    """Features on a device where memory is short."""
    features = compute_features(width=width, n_stages=n_stages, n_dimensions=n_dimensions)
    cap = MAX_FEATURES[n_dimensions]
    if width == FULL_WIDTH:
        return ruled(features, f"{width} at full resolution, doubling per stage up to {cap}, as published", width=width)
    return ruled(features, f"{width} at full resolution: memory holds no patch with {FULL_WIDTH}", width=width)


def decide_features_in_time(
    *,
    widest: int,
    n_stages: int,
    n_dimensions: int,
    n_needed: int,
    count_iterations: Callable[[tuple[int, ...]], int],
    fits: Callable[[tuple[int, ...]], bool],
    time: str = "the time",
) -> Decision[tuple[int, ...]]:
    """Features where time is short: the widest that still gets enough iterations.

    Args:
        widest: that memory holds.
        n_needed: iterations that a width must get.
        count_iterations: how many the time holds with given features.
        fits: whether memory holds training with given features.
        time: what that time is called.
    """
    sentence = ""
    for width in (width for width in WIDTHS if width <= widest):
        features = compute_features(width=width, n_stages=n_stages, n_dimensions=n_dimensions)
        n_iterations = count_iterations(features)
        inputs = {"width": width, "iterations": n_iterations, "needed": n_needed}
        if n_iterations >= n_needed and fits(features):
            reason = f"{time} holds about {n_iterations:,} iterations at width {width}{sentence}"
            return ruled(features, reason, **inputs)
        why = f"get only {n_iterations:,}" if n_iterations < n_needed else "need more memory than there is"
        sentence = f"; width {width} would {why}"
    reason = "the narrowest, and still more memory than there is"
    if n_iterations < n_needed:
        reason = f"the narrowest, and still {time} holds only about {n_iterations:,} iterations of {n_needed:,} wanted"
    return ruled(features, reason, **inputs)
