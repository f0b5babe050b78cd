from __future__ import annotations

import pytest

from autoseg.planning.rules.precision import decide_precision


@pytest.mark.parametrize(("device", "precision"), [("cuda", "bfloat16"), ("mps", "float32"), ("cpu", "float32")])
def test_only_tensor_cores_compute_in_half_precision(device: str, precision: str) -> None:
    assert decide_precision(device=device).value == precision
