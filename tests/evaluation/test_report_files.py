"""A report's three files hold the same, wholly or not at all."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from autoseg.errors import UsageError
from autoseg.evaluation.report import Report
from autoseg.evaluation.report_files import format_table, write_beside, write_report
from autoseg.serialization import parse_record, read_json
from tests.evaluation.test_tables import make


def test_a_folder_gets_all_three(tmp_path: Path) -> None:
    files = write_report(tmp_path / "results", make())
    assert [file.name for file in files] == ["report.json", "report.csv", "report.md"]
    assert parse_record(Report, read_json(files[0]), where="x") == make()
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["report.csv", "report.json", "report.md"]


@pytest.mark.parametrize("ending", [".json", ".csv", ".md"])
def test_a_file_gets_what_its_ending_says(tmp_path: Path, ending: str) -> None:
    assert write_report(tmp_path / f"mine{ending}", make()) == [tmp_path / f"mine{ending}"]
    assert [path.name for path in tmp_path.iterdir()] == [f"mine{ending}"]


def test_another_ending_is_refused_but_for_a_folder_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"results\.xlsx: a report is written as \.json, \.csv, \.md"):
        write_report(tmp_path / "results.xlsx", make())
    (tmp_path / "results.v2").mkdir()
    assert len(write_report(tmp_path / "results.v2", make())) == 3


def test_the_csv_can_be_summed_up_to_the_report(tmp_path: Path) -> None:
    write_beside(tmp_path / "report.json", make())
    with (tmp_path / "report.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    values = [float(row["value"]) for row in rows if (row["label"], row["metric"]) == ("liver", "hd95")]
    assert sum(values) / len(values) == make().summary["liver"]["hd95"].mean
    empty = [row for row in rows if (row["case"], row["label"], row["metric"]) == ("a", "tumour", "dice")]
    assert [row["value"] for row in empty] == [""]


def test_the_text_names_misses_worst_cases_and_the_policy(tmp_path: Path) -> None:
    write_report(tmp_path / "report.md", make())
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "Missing predictions, which score as misses: b." in text
    assert "| liver |" in text
    assert make().definition in text


def test_cells_of_a_table_are_escaped_and_undefined_ones_dashed() -> None:
    lines = format_table(["name", "value"], [["a|b", math.nan], ["c", 12.34]]).split("\n")
    assert lines == ["| name | value |", "| --- | ---: |", "| a\\|b | - |", "| c | 12.3 |"]
