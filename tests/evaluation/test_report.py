"""A report survives its file, and its tables say what it says."""

from __future__ import annotations

import math
from pathlib import Path

from autoseg.evaluation.report import METRICS, CaseScores, LabelScores, Report, Summary, case_rows, label_rows, mean_of
from autoseg.serialization import parse_record, read_json, write_json


def scores(dice: float) -> LabelScores:
    return LabelScores(**{**dict.fromkeys(METRICS, 0.25), "dice": dice})


def small_report() -> Report:
    summary = {name: dict.fromkeys(METRICS, Summary(mean=0.5, median=0.5, std=math.nan, n=1)) for name in ("a", "b")}
    case = CaseScores(case_id="x", labels={"a": scores(0.5), "b": scores(math.nan)})
    return Report(mean_dice=0.5, n_cases=1, summary=summary, cases=(case,))


def test_report_survives_its_file(tmp_path: Path) -> None:
    write_json(tmp_path / "report.json", small_report())
    assert parse_record(Report, read_json(tmp_path / "report.json"), where="report.json") == small_report()
    assert "NaN" not in (tmp_path / "report.json").read_text()


def test_mean_dice_of_a_case_leaves_undefined_labels_out() -> None:
    assert small_report().cases[0].mean_dice == 0.5
    assert math.isnan(mean_of([math.nan]))


def test_tables_have_a_cell_for_each_column() -> None:
    for columns, rows in (label_rows(small_report()), case_rows(small_report())):
        assert len(rows) == 2
        assert all(len(row) == len(columns) for row in rows)
    assert case_rows(small_report())[1][0][:3] == ["x", "a", 0.5]
