from __future__ import annotations

import pytest

from autoseg.planning.rules.batch_dice import decide_batch_dice


@pytest.mark.parametrize(("n_dimensions", "is_due", "value"), [(2, False, True), (3, False, False), (3, True, True)])
def test_dice_is_pooled_where_a_patch_shows_little(n_dimensions: int, is_due: bool, value: bool) -> None:
    assert decide_batch_dice(n_dimensions=n_dimensions, is_low_resolution_due=is_due).value is value
