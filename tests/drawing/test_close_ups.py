"""Cases of a method stand beside each other."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from autoseg.drawing.close_ups import draw_close_ups
from tests.drawing.test_overlays import NAMES, overlay


@pytest.mark.parametrize("n_cases", [1, 3])
def test_close_ups_are_a_jpeg_beside_each_other(n_cases: int) -> None:
    content = draw_close_ups([("best", overlay())] * n_cases, label_names=NAMES)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "JPEG"
        assert picture.width == pytest.approx(380 * n_cases, abs=2)
    assert len(content) < 150_000 * n_cases
