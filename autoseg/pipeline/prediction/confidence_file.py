"""What does `confidence.csv` say, and what not?

One row per predicted case and label, or region:

    case, label
    volume_ml              of the written segmentation, after postprocessing; empty where the image has no spacing
    agreement              mean Dice over pairs of the ensemble's networks, 0..1; empty for a single network
    boundary_entropy       mean entropy of the probabilities along the predicted boundary, 0..1
    expected_dice          the Dice that the probabilities themselves expect, 0..1: usually too much
    predicted_dice         the Dice to expect, calibrated on the cross-validation; `selection.yaml` states its error
    predicted_dice_low     80% of cases like those of the cross-validation
    predicted_dice_high    lie between these two
    note                   why a figure is not there, or what to beware of

All but the volume is measured before postprocessing, as in the cross-validation. Figures that are not known are empty.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from autoseg.evaluation.calibrating import MIN_CASES, Calibration, PredictedDice, apply_calibration
from autoseg.evaluation.report import LabelConfidence
from autoseg.serialization import Record, read_text, write_text

DIGITS = 6  # significant ones in the file
LESS_CERTAIN = "less certain than every case of the cross-validation: look at it"
VOLUME_TOLERANCE = 1e-6  # relative: volumes nearer than this are equal


class ConfidenceRow(Record):
    """A row of `confidence.csv`; the columns in order, None where a figure is not known."""

    case: str
    label: str
    volume_ml: float | None = None
    agreement: float | None = None
    boundary_entropy: float | None = None
    expected_dice: float | None = None
    predicted_dice: float | None = None
    predicted_dice_low: float | None = None
    predicted_dice_high: float | None = None
    note: str = ""


COLUMNS = tuple(ConfidenceRow.model_fields)


def make_rows(
    case_id: str,
    confidence: Sequence[LabelConfidence],
    calibration: Calibration | None,
    *,
    volumes_ml: Mapping[str, float | None] | None = None,
    calibration_note: str = "",
) -> tuple[ConfidenceRow, ...]:
    """The rows of a case.

    Args:
        case_id: the case.
        confidence: of each label or region, as `measure_confidence` found it.
        calibration: of the configurations that predicted (`Selection.find_calibration`); None where there is none.
        volumes_ml: by label, of the segmentation that was written, where postprocessing may have changed it.
        calibration_note: what is not as the calibration was made; it goes with every Dice that is predicted.
    """
    volumes = volumes_ml or {each.label: each.volume_ml for each in confidence}
    return tuple(
        _make_row(case_id, each, calibration, volumes.get(each.label), calibration_note) for each in confidence
    )


def _make_row(
    case_id: str, certainty: LabelConfidence, calibration: Calibration | None, volume_ml: float | None, remark: str
) -> ConfidenceRow:
    is_there = volume_ml != 0  # postprocessing may have removed all of it
    predicted = apply_calibration(calibration, certainty) if calibration and is_there else None
    notes = [
        _explain_prediction(certainty, calibration, predicted, volume_ml),
        remark if predicted else "",
        _explain_volume(certainty, volume_ml),
    ]
    return ConfidenceRow(
        case=case_id,
        label=certainty.label,
        volume_ml=volume_ml,
        agreement=certainty.agreement,
        boundary_entropy=certainty.boundary_entropy,
        expected_dice=certainty.expected_dice,
        predicted_dice=predicted.dice if predicted else None,
        predicted_dice_low=predicted.low if predicted else None,
        predicted_dice_high=predicted.high if predicted else None,
        note="; ".join(note for note in notes if note),
    )


def _explain_prediction(
    certainty: LabelConfidence,
    calibration: Calibration | None,
    predicted: PredictedDice | None,
    volume_ml: float | None,
) -> str:
    if certainty.n_voxels == 0:
        return "nothing is predicted"
    if volume_ml == 0:
        return "nothing is left by postprocessing"
    if calibration is None:
        return "not calibrated: see confidence in selection.yaml"
    label = calibration.labels.get(certainty.label)
    if label is None:
        return f"not calibrated: fewer than {MIN_CASES} cases of the cross-validation tell of this label"
    if predicted is None:
        return "not calibrated: entropy, volume or the sums of probabilities are not known"
    if certainty.expected_dice is not None and certainty.expected_dice < label.least_expected_dice:
        return LESS_CERTAIN
    return "" if label.weights else "predicted Dice is the mean of the cross-validation"


def _explain_volume(certainty: LabelConfidence, volume_ml: float | None) -> str:
    before = certainty.volume_ml
    if before is None or volume_ml is None or math.isclose(before, volume_ml, rel_tol=VOLUME_TOLERANCE):
        return ""
    return f"{before:.{DIGITS}g} ml before postprocessing"


def write_confidence(path: Path, rows: Sequence[ConfidenceRow]) -> None:
    """Put rows into `confidence.csv`; those of other cases that are there already stay, earlier ones of these go.

    The file is written anew and takes the place of the one before: it is never half there.

    Raises:
        AutosegError: the file that is there cannot be read.
    """
    cases = {row.case for row in rows}
    kept = [line for line in _read_lines(path) if line["case"] not in cases]
    made = [{name: _show(getattr(row, name)) for name in COLUMNS} for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(kept + made, key=lambda line: line["case"]))  # stable: labels keep their order
    write_text(path, text.getvalue())


def is_confidence(path: Path) -> bool:
    """Whether a file is such a table, of this version or of another one."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return {"case", "label"} <= set(next(csv.reader(stream), []))
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def _read_lines(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(read_text(path)))) if path.is_file() else []


def _show(value: str | float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)
