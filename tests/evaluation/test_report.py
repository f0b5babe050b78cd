"""A report survives its file, and its tables say what it says."""

from __future__ import annotations

import math
from pathlib import Path

from autoseg.evaluation.report import (
    METRICS,
    CaseScores,
    LabelConfidence,
    LabelScores,
    Report,
    Summary,
    case_rows,
    label_rows,
    mean_of,
)
from autoseg.serialization import digest, dump_json, parse_json, parse_record, read_json, write_json


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


def test_a_report_without_confidence_is_written_as_it_always_was() -> None:
    """Its digest is what a selection rests on: a report of an earlier version must keep it."""
    assert "confidence" not in dump_json(small_report())


def test_confidence_survives_its_file() -> None:
    certain = LabelConfidence(label="a", n_voxels=3, boundary_entropy=0.25, expected_dice=0.75)
    report = small_report()
    case = report.cases[0].model_copy(update={"confidence": (certain,)})
    report = report.model_copy(update={"cases": (case,)})
    assert parse_record(Report, parse_json(dump_json(report), where="x"), where="x") == report
    assert digest(report) != digest(small_report())
