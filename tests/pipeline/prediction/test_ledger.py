"""What became of every case is kept, and not written anew more often than it pays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autoseg.pipeline.prediction import ledger as ledger_module
from autoseg.pipeline.prediction.confidence_file import ConfidenceRow
from autoseg.pipeline.prediction.ledger import Ledger
from autoseg.pipeline.prediction.manifest import Predicted


class Clock:
    """A second for each case; writing takes as long as there are cases in the file."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock, write = Clock(), ledger_module.write_manifest

    def write_slowly(folder: Path, facts: dict[str, str], cases: dict[str, Predicted]) -> None:
        clock.now += 0.01 * len(cases)
        write(folder, facts, cases)

    monkeypatch.setattr(ledger_module, "time", clock)
    monkeypatch.setattr(ledger_module, "write_manifest", write_slowly)
    return clock


def test_writing_takes_a_small_share_of_the_time_however_many_cases(clock: Clock, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, {})
    for number in range(300):
        clock.now += 1
        case_id = f"case_{number:03d}"
        ledger.add(Predicted(case_id=case_id, file="a"), [ConfidenceRow(case=case_id, label="organ")])
    assert clock.now - 300 < 0.06 * 300  # after every case: 0.01 * 300 * 301 / 2 = 451 s
    ledger.write()
    assert len(json.loads((tmp_path / "predictions.json").read_text())["cases"]) == 300
    assert len((tmp_path / "confidence.csv").read_text().splitlines()) == 301


def test_the_manifest_never_lists_a_case_without_its_rows(clock: Clock, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, {}, written_at=0.0, took_s=1.0)
    ledger.add(Predicted(case_id="a", file="a", source="x"), [ConfidenceRow(case="a", label="organ")])
    assert not list(tmp_path.iterdir())
    clock.now += 100
    ledger.add(Predicted(case_id="b", file="b", source="x"), [ConfidenceRow(case="b", label="organ")])
    assert [line.split(",")[0] for line in (tmp_path / "confidence.csv").read_text().splitlines()] == ["case", "a", "b"]
