"""The rows of `confidence.csv`, and the file that keeps them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from autoseg.evaluation.calibrating import Calibration, LabelCalibration
from autoseg.evaluation.report import LabelConfidence
from autoseg.pipeline.prediction.confidence_file import COLUMNS, ConfidenceRow, make_rows, write_confidence

SURE = LabelConfidence(
    label="organ", n_voxels=8, volume_ml=2.0, agreement=0.9, boundary_entropy=0.25, expected_dice=0.75
)
BY_LINE = LabelCalibration(
    offset=0.1, weights={"expected_dice": 0.8}, low=-0.2, high=0.05, least_expected_dice=0.6, n_cases=20
)
CALIBRATION = Calibration(configurations=("3d_fullres",), labels={"organ": BY_LINE})


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_row_holds_what_was_measured_and_what_it_means() -> None:
    (row,) = make_rows("x", [SURE], CALIBRATION)
    assert (row.case, row.label, row.volume_ml, row.agreement, row.note) == ("x", "organ", 2.0, 0.9, "")
    assert row.predicted_dice == pytest.approx(0.1 + 0.8 * 0.75)
    assert (row.predicted_dice_low, row.predicted_dice_high) == (pytest.approx(0.5), pytest.approx(0.75))


@pytest.mark.parametrize(
    ("change", "calibration", "note"),
    [
        ({"n_voxels": 0, "volume_ml": 0.0}, CALIBRATION, "nothing is predicted"),
        ({}, None, "not calibrated: see confidence in selection.yaml"),
        ({"label": "spleen"}, CALIBRATION, "fewer than 9 cases"),
        ({"expected_dice": None}, CALIBRATION, "not known"),
    ],
)
def test_what_is_not_there_is_explained(change: dict[str, object], calibration: Calibration | None, note: str) -> None:
    (row,) = make_rows("x", [SURE.model_copy(update=change)], calibration)
    assert row.predicted_dice is None
    assert row.predicted_dice_low is None
    assert note in row.note


def test_what_to_beware_of_is_said() -> None:
    (unsure,) = make_rows("x", [SURE.model_copy(update={"expected_dice": 0.3})], CALIBRATION)
    assert unsure.predicted_dice is not None
    assert "less certain than every case" in unsure.note
    mean = CALIBRATION.model_copy(update={"labels": {"organ": BY_LINE.model_copy(update={"weights": {}})}})
    (row,) = make_rows("x", [SURE], mean)
    assert (row.predicted_dice, row.note) == (0.1, "predicted Dice is the mean of the cross-validation")


def test_volume_is_that_of_the_written_segmentation() -> None:
    (row,) = make_rows("x", [SURE], CALIBRATION, volumes_ml={"organ": 1.5})
    assert (row.volume_ml, row.note) == (1.5, "2 ml before postprocessing")
    assert row.predicted_dice == make_rows("x", [SURE], CALIBRATION)[0].predicted_dice


def test_rows_of_cases_that_are_not_predicted_again_stay(tmp_path: Path) -> None:
    path = tmp_path / "confidence.csv"
    write_confidence(path, make_rows("b", [SURE], CALIBRATION) + make_rows("a", [SURE], None))
    before = read(path)
    write_confidence(path, [ConfidenceRow(case="b", label="organ", volume_ml=7.0)])
    assert [row["case"] for row in before] == ["a", "b"]
    assert read(path)[0] == before[0]
    assert (read(path)[1]["volume_ml"], read(path)[1]["agreement"]) == ("7", "")
    assert [path.name for path in tmp_path.iterdir()] == ["confidence.csv"]


def test_columns_are_those_of_the_documentation(tmp_path: Path) -> None:
    path = tmp_path / "confidence.csv"
    write_confidence(path, make_rows("x, of 2026", [SURE], CALIBRATION))
    assert tuple(read(path)[0]) == COLUMNS
    assert read(path)[0]["case"] == "x, of 2026"
    assert [float(read(path)[0][name]) for name in COLUMNS[2:9]] == pytest.approx([2, 0.9, 0.25, 0.75, 0.7, 0.5, 0.75])
