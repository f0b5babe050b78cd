from __future__ import annotations

import pytest

from autoseg.planning.rules.batch_size import count_bearable, decide_batch_size, decide_cpu_batch_size


@pytest.mark.parametrize(
    ("allowed", "bearable", "holdable", "batch", "word"),
    [
        (12, 40, None, 12, "yardstick allows 12"),
        (40, 9, None, 9, "5% of the dataset"),
        (40, 1, None, 2, "at least 2"),
        (12, 40, 7, 7, "memory holds 7"),
        (12, 40, 0, 1, "not even one patch"),
        (12, 40, 12, 12, "yardstick allows 12"),
    ],
)
def test_the_smallest_of_three_bounds_rules_and_is_named(
    allowed: int, bearable: int, holdable: int | None, batch: int, word: str
) -> None:
    decision = decide_batch_size(allowed=allowed, bearable=bearable, share=0.05, holdable=holdable)
    assert decision.value == batch
    assert word in decision.reason


def test_a_cpu_takes_small_batches_and_smaller_ones_if_memory_is_short() -> None:
    assert decide_cpu_batch_size(n_dimensions=3, holdable=100).value == 2
    assert decide_cpu_batch_size(n_dimensions=2, holdable=100).value == 4
    assert decide_cpu_batch_size(n_dimensions=2, holdable=3).value == 3
    assert decide_cpu_batch_size(n_dimensions=2, holdable=0).reason.startswith("WARNING")


def test_a_share_of_the_dataset_is_counted_in_patches() -> None:
    assert count_bearable(share=0.05, dataset_voxels=260 * 36 * 50 * 35, patch_voxels=40 * 56 * 40) == 9
