from __future__ import annotations

import math

import pytest

from autoseg.planning.rules.batch_size import (
    count_bearable,
    count_wanted,
    decide_batch_size,
    decide_cpu_batch_size,
    decide_published_batch_size,
)


@pytest.mark.parametrize(
    ("allowed", "bearable", "holdable", "ceiling", "batch", "word"),
    [
        (40, 9, 99, None, 9, "5% of the dataset"),
        (40, 1, 99, None, 2, "at least 2"),
        (12, 40, 7, None, 7, "memory holds 7"),
        (12, 40, 0, None, 1, "not even one patch"),
        (12, 40, 12, None, 12, "yardstick allows 12"),
        (12, 40, 12, 3, 3, "a larger patch better"),
        (12, 40, 2, 3, 2, "memory holds 2"),
    ],
)
def test_the_smallest_of_the_bounds_rules_and_is_named(
    allowed: int, bearable: int, holdable: int, ceiling: int | None, batch: int, word: str
) -> None:
    decision = decide_batch_size(allowed=allowed, bearable=bearable, share=0.05, holdable=holdable, ceiling=ceiling)
    assert decision.value == batch
    assert word in decision.reason


@pytest.mark.parametrize(("allowed", "bearable", "batch"), [(12, 40, 12), (40, 9, 9), (40, 1, 2), (1, 9, 2)])
def test_the_published_batch_knows_no_device(allowed: int, bearable: int, batch: int) -> None:
    assert decide_published_batch_size(allowed=allowed, bearable=bearable, share=0.05).value == batch


def test_a_cpu_takes_small_batches_and_smaller_ones_if_memory_is_short() -> None:
    assert decide_cpu_batch_size(n_dimensions=3, holdable=100, ceiling=None).value == 2
    assert decide_cpu_batch_size(n_dimensions=2, holdable=100, ceiling=None).value == 4
    assert decide_cpu_batch_size(n_dimensions=2, holdable=3, ceiling=None).value == 3
    assert decide_cpu_batch_size(n_dimensions=2, holdable=100, ceiling=2).value == 2
    assert decide_cpu_batch_size(n_dimensions=2, holdable=0, ceiling=None).reason.startswith("WARNING")


def test_a_share_of_the_dataset_is_counted_in_patches() -> None:
    assert count_bearable(share=0.05, dataset_voxels=260 * 36 * 50 * 35, patch_voxels=40 * 56 * 40) == 9


def test_a_smaller_patch_never_shows_more_than_a_larger_one_would_have() -> None:
    assert count_wanted([1000], usual=12) == (12, None)
    assert count_wanted([1000, 700], usual=12) == (12, 17)  # 12 x 1000 voxels hold 17 of 700
    assert count_wanted([1000, 700], usual=12, bearable_voxels=3000) == (4, 4)
    wanted, ceiling = count_wanted([1000, 990, 300], usual=2)
    assert (wanted, ceiling) == (2, 6)
    assert ceiling * 300 <= 2 * 990 < math.inf
