"""What does an empty mask score? One table for whoever asks, and they all ask."""

from __future__ import annotations

from autoseg.publishing.document import Cell, Column, Row, Table

NOT_COUNTED = "not counted"
WORST = "diagonal"
MEASURED = "measured"
COLUMNS = (
    Column("reference", is_text=True),
    Column("prediction", is_text=True),
    Column("Dice, Jaccard"),
    Column("precision"),
    Column("recall"),
    Column("HD95, ASSD"),
    Column("NSD, boundary IoU, clDice"),
    Column("lesion F1"),
    Column("lesion sensitivity"),
    Column("false lesions"),
    Column("ECE, Brier"),
)
POLICY = {
    ("empty", "empty"): (*[NOT_COUNTED] * 7, "0", MEASURED),
    ("empty", "something"): ("0", "0", NOT_COUNTED, WORST, "0", "0", NOT_COUNTED, MEASURED, MEASURED),
    ("something", "empty"): ("0", NOT_COUNTED, "0", WORST, "0", "0", "0", "0", MEASURED),
    ("anything", "missing"): ("0", "0", "0", WORST, "0", "0", "0", NOT_COUNTED, "1"),
}
NOTE = (
    "Diagonal: of the image, from corner to corner; no distance within it is longer. False lesions: nobody knows how "
    "many a missing prediction would have had, so that their mean is over fewer cases, whose number n is shown. ECE "
    "and Brier follow the probabilities, and are not counted where these leave no voxel to measure."
)


def make_empty_table() -> Table:
    """Scores of masks that are empty on one side or both, and of predictions that are missing."""
    rows = tuple(
        Row(Cell(reference), (Cell(predicted), *map(Cell, scores))) for (reference, predicted), scores in POLICY.items()
    )
    return Table("What empty masks score", COLUMNS, rows, NOTE, is_wide=True)
