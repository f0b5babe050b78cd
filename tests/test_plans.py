"""The shipped plans are read, hold together, and give a reason for every value."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.planning.explaining import list_decisions
from autoseg.planning.plan_file import read_plan

PLANS = sorted((Path(__file__).resolve().parents[1] / "plans").glob("*.yaml"))


def test_there_are_some() -> None:
    assert {"hippocampus.yaml", "nuclei.yaml"} <= {path.name for path in PLANS}


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_every_shipped_plan_holds_together_and_gives_its_reasons(path: Path) -> None:
    rows = list_decisions(read_plan(path))
    assert len(rows) > 20
    assert [row.key for row in rows if not row.reason] == []
