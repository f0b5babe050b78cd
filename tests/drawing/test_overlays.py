"""Cases become pictures in true proportions, showing the slice with most foreground."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoseg.drawing import Overlay, draw_overlays
from autoseg.drawing.overlays import _choose_view, cut_slice

NAMES = ("background", "liver", "tumour")


def overlay() -> Overlay:
    image = np.random.default_rng(0).normal(size=(5, 20, 30)).astype(np.float32)
    reference = np.zeros((5, 20, 30), np.int16)
    reference[2:4, 5:12, 8:20] = 1
    reference[3, 6:9, 10:14] = 2
    predicted = np.roll(reference, 1, axis=2)
    predicted[3, 0, 0:2] = 1
    return Overlay("case_1", image, reference, predicted, (3.0, 1.0, 0.5), {"liver": 0.9, "tumour": float("nan")})


@pytest.mark.parametrize("n_cases", [1, 3])
def test_overlays_are_a_png_with_a_row_per_case(n_cases: int, tmp_path: Path) -> None:
    draw_overlays([overlay()] * n_cases, tmp_path / "o.png", label_names=NAMES)
    with Image.open(tmp_path / "o.png") as picture:
        assert picture.format == "PNG"
        assert picture.height == pytest.approx(150 * (0.8 + 3.3 * n_cases), abs=2)


def test_slice_with_most_foreground_is_cut_across_the_widest_spacing() -> None:
    cut = cut_slice(overlay())
    assert cut.name == ", slice 4 along z"
    assert np.array_equal(cut.predicted, overlay().predicted[3])
    assert cut.aspect == 2
    sideways = cut_slice(replace(overlay(), spacing_mm=(1.0, 0.5, 4.0)))
    assert sideways.name.endswith("along x")
    assert sideways.predicted.shape == (5, 20)
    assert sideways.aspect == 2


def test_a_volume_of_one_slice_shows_that_slice_however_thin_it_is() -> None:
    whole = overlay()
    one = {name: getattr(whole, name)[3:4] for name in ("image", "reference", "predicted")}
    cut = cut_slice(replace(whole, **one, spacing_mm=(0.2, 1.0, 0.5)))
    assert (cut.name, cut.aspect) == ("", 2)
    assert np.array_equal(cut.predicted, whole.predicted[3])


def test_close_up_is_a_square_in_mm_around_the_foreground() -> None:
    foreground = np.zeros((100, 200), bool)
    foreground[40:50, 90:110] = True
    top, bottom, left, right = _choose_view(foreground, 2.0, 1.0)
    assert (bottom - top) * 2 == pytest.approx(right - left)
    assert top < 40 < 50 < bottom
    assert left < 90 < 110 < right


def test_close_up_that_shows_nearly_all_shows_all() -> None:
    assert _choose_view(np.ones((10, 20), bool), 1.0, 1.0) == (-0.5, 9.5, -0.5, 19.5)
    assert _choose_view(np.zeros((10, 20), bool), 1.0, 1.0) == (-0.5, 9.5, -0.5, 19.5)


def test_colour_pictures_empty_cases_and_many_labels_are_drawn(tmp_path: Path) -> None:
    empty = np.zeros((1, 20, 30), np.int16)
    colour = Overlay("a", np.full((3, 1, 20, 30), 200, np.uint8), None, empty, (999.0, 1.0, 1.0), {})
    draw_overlays([colour], tmp_path / "colour.png", label_names=[f"organ {i}" for i in range(60)])
    flat = Overlay("b", np.zeros((1, 20, 30), np.float32), empty, empty, (999.0, 1.0, 1.0), {})
    draw_overlays([flat], tmp_path / "flat.png", label_names=NAMES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colour.png", "flat.png"]


def test_dollars_in_names_begin_no_formula(tmp_path: Path) -> None:
    name = r"$\frac$"  # no formula that could be read
    draw_overlays([replace(overlay(), case_id=name)], tmp_path / "o.png", label_names=[name] * 3, title=name)
    assert (tmp_path / "o.png").is_file()
