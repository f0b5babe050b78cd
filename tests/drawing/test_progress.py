"""A history becomes a picture, however short, long or gappy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from autoseg.drawing import draw_progress
from autoseg.drawing.progress import _move_apart


def epoch(number: int, dice: dict[str, float | None], epoch_s: float = 20.0) -> dict[str, Any]:
    return {
        "epoch": number,
        "iteration": 10 * number,
        "spent_s": epoch_s * number,
        "loss": 1 / number,
        "learning_rate": 0.01 / number,
        "validation_dice": dice,
    }


@pytest.mark.parametrize("epoch_s", [1.0, 60.0, 3600.0])
@pytest.mark.parametrize(
    "dice",
    [{"liver": 0.8, "tumour": 0.79}, {"liver": None}, {f"organ {i}": 0.5 for i in range(30)}, {}],
    ids=["two labels", "undefined", "thirty labels", "no label"],
)
def test_progress_is_a_legible_png(dice: dict[str, float | None], epoch_s: float, tmp_path: Path) -> None:
    draw_progress([epoch(number, dice, epoch_s) for number in range(1, 6)], tmp_path / "p.png", title="fold 0")
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 800
        assert len(picture.convert("RGB").getcolors(maxcolors=1 << 24)) > 50


def test_one_epoch_is_enough(tmp_path: Path) -> None:
    draw_progress([epoch(1, {"liver": 0.1})], tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_label_that_comes_late_is_drawn_from_there(tmp_path: Path) -> None:
    draw_progress([epoch(1, {}), epoch(2, {"liver": None}), epoch(3, {"liver": 0.5})], tmp_path / "p.png")
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


def test_pyplot_and_its_global_state_are_not_used(tmp_path: Path) -> None:
    before = "matplotlib.pyplot" in sys.modules
    draw_progress([epoch(1, {"liver": 0.1})], tmp_path / "p.png")
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_names_that_would_meet_are_moved_apart() -> None:
    placed = _move_apart([0.90, 0.91, 0.20], least=0.06, highest=0.98)
    assert placed == pytest.approx([0.85, 0.91, 0.20])
