"""A history becomes a picture, however short, long or gappy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autoseg.drawing import draw_progress, progress
from autoseg.drawing.figures import move_apart


def epoch(number: int, dice: dict[str, float | None], epoch_s: float = 20.0) -> dict[str, Any]:
    return {
        "epoch": number,
        "iteration": 10 * number,
        "spent_s": epoch_s * number,
        "loss": 1 / number,
        "learning_rate": 0.01 / number,
        "validation_dice": dice,
    }


@pytest.mark.parametrize(
    ("dice", "epoch_s"),
    [
        ({"liver": 0.8, "tumour": 0.79}, 1.0),
        ({"liver": None}, 60.0),
        ({f"organ {i}": 0.5 for i in range(100)}, 3600.0),
        ({}, 1.0),
    ],
    ids=["two labels", "undefined", "a hundred labels", "no label"],
)
def test_progress_is_a_legible_png(dice: dict[str, float | None], epoch_s: float, tmp_path: Path) -> None:
    draw_progress([epoch(number, dice, epoch_s) for number in range(1, 6)], tmp_path / "p.png", title="fold 0")
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 800
        assert len(picture.convert("RGB").getcolors(maxcolors=1 << 24)) > 50


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words beside the curves; no picture is made."""
    words: list[str] = []
    monkeypatch.setattr(progress, "_write_beside", lambda axes, text, height, colour: words.append(text))
    monkeypatch.setattr(progress, "save_figure", lambda figure, path: None)
    return words


def test_everything_that_an_epoch_tells_is_drawn(tmp_path: Path, written: list[str]) -> None:
    told = {
        "terms": {"cross_entropy": 0.25, "soft_dice": 0.5},
        "whole_case_dice": 0.75,
        "waiting_share": 0.5,
        "memory_gb": 2.0,
    }
    draw_progress([epoch(1, {"liver": 0.5}) | told], tmp_path / "p.png", predicted_gb=1.5)
    curves = ["liver  0.500", "whole cases  0.750", "loss  1.000", "cross_entropy  0.250", "soft_dice  0.500"]
    assert written == [*curves, "predicted  1.50"]


def test_of_many_labels_mean_and_worst_are_named(tmp_path: Path, written: list[str]) -> None:
    draw_progress([epoch(1, {f"organ {i}": i / 10 for i in range(1, 10)})], tmp_path / "p.png")
    assert written[:2] == ["mean of 9 labels  0.500", "worst: organ 1  0.100"]


def test_label_that_comes_late_is_drawn_from_there(tmp_path: Path) -> None:
    draw_progress([epoch(1, {}), epoch(2, {"liver": None}), epoch(3, {"liver": 0.5})], tmp_path / "p.png")
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


def test_one_epoch_is_enough_and_pyplot_with_its_global_state_is_not_used(tmp_path: Path) -> None:
    before = "matplotlib.pyplot" in sys.modules
    draw_progress([epoch(1, {"liver": 0.1})], tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 10_000
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_names_that_would_meet_are_moved_apart() -> None:
    placed = move_apart([0.90, 0.91, 0.20], least=0.06, limits=(0.0, 0.98))
    assert placed == pytest.approx([0.85, 0.91, 0.20])


def test_names_stay_within_their_limits_however_many_there_are() -> None:
    assert move_apart([0.01, 0.02, 0.9], least=0.06, limits=(0.0, 1.0)) == pytest.approx([0.0, 0.06, 0.9])
    crowd = move_apart([0.3] * 20, least=0.2, limits=(0.0, 1.0))
    assert sorted(crowd) == pytest.approx(np.linspace(0, 1, 20))


def test_dollars_in_names_begin_no_formula(tmp_path: Path) -> None:
    name = r"$\frac$"  # no formula that could be read
    draw_progress([epoch(1, {name: 0.5})], tmp_path / "p.png", title=name)
    assert (tmp_path / "p.png").is_file()
