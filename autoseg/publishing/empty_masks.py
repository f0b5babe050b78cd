"""What does an empty mask score? One table for whoever asks, and they all ask."""

from __future__ import annotations

from autoseg.publishing.document import Cell, Column, Row, Table

NOT_COUNTED = "not counted"
WORST = "diagonal"
COLUMNS = (
    Column("reference", is_text=True),
    Column("prediction", is_text=True),
    Column("Dice, Jaccard"),
    Column("precision"),
    Column("recall"),
    Column("HD95, ASSD"),
    Column("NSD, boundary IoU, clDice"),
)
POLICY = {
    ("empty", "empty"): (NOT_COUNTED, NOT_COUNTED, NOT_COUNTED, NOT_COUNTED, NOT_COUNTED),
    ("empty", "something"): ("0", "0", NOT_COUNTED, WORST, "0"),
    ("something", "empty"): ("0", NOT_COUNTED, "0", WORST, "0"),
    ("anything", "missing"): ("0", "0", "0", WORST, "0"),
}


def make_empty_table() -> Table:
    """Scores of masks that are empty on one side or both, and of predictions that are missing."""
    rows = tuple(
        Row(Cell(reference), (Cell(predicted), *map(Cell, scores))) for (reference, predicted), scores in POLICY.items()
    )
    note = "Diagonal: of the image, from corner to corner; no distance within it is longer."
    return Table("What empty masks score", COLUMNS, rows, note)
