"""How thorough a prediction may be."""

from __future__ import annotations

import pydantic
import pytest

from autoseg.prediction.options import FAST, PredictionOptions


@pytest.mark.parametrize("step", [0.0, -0.5, 1.5])
def test_a_step_is_a_share_of_the_patch(step: float) -> None:
    with pytest.raises(pydantic.ValidationError, match="step"):
        PredictionOptions(step=step)


def test_fast_computes_less_than_the_default() -> None:
    assert FAST.step > PredictionOptions().step
    assert (FAST.mirroring, PredictionOptions().mirroring) == ("none", "all")
