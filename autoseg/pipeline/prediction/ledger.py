"""How is it kept what became of every case, without writing all of it anew after each?

`confidence.csv` and `predictions.json` hold every case of a folder. They are written when the last writing has paid:
once what it took is a small share of the time since. A run that is killed in between does those cases again whose
segmentations are there but not in the manifest; a run that ends by an error or Ctrl-C writes both before it ends.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoseg.pipeline.prediction.confidence_file import ConfidenceRow, write_confidence
from autoseg.pipeline.prediction.manifest import CONFIDENCE_FILE, Predicted, write_manifest

LARGEST_SHARE = 0.05  # of the time between two writings that the first may have taken


@dataclass
class Ledger:
    """The cases of a folder.

    Attributes:
        cases: every case of the folder, by its id.
        facts: of the manifest.
        rows: of `confidence.csv` that are not written yet.
        written_at, took_s: when both files were written last, and how long that took.
    """

    folder: Path
    cases: dict[str, Predicted]
    facts: Mapping[str, Any] = field(default_factory=dict)
    rows: list[ConfidenceRow] = field(default_factory=list)
    written_at: float = -float("inf")
    took_s: float = 0.0

    def add(self, predicted: Predicted, rows: Sequence[ConfidenceRow]) -> None:
        """Keep what became of a case; its files are there."""
        self.cases[predicted.case_id] = predicted
        self.rows += rows
        if self.took_s <= LARGEST_SHARE * (time.monotonic() - self.written_at):
            self.write()

    def write(self) -> None:
        """Write both files; a case is in the manifest only when its rows are in the other one."""
        began = time.monotonic()
        if self.rows:
            write_confidence(self.folder / CONFIDENCE_FILE, self.rows)
        write_manifest(self.folder, self.facts, self.cases)
        self.rows.clear()
        self.written_at = time.monotonic()
        self.took_s = self.written_at - began
