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
    WorstCase,
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


OLD = """{"autoseg_report": 1, "definition": "as it was", "mean_dice": 0.5, "n_cases": 1, "missing": [],
"without_reference": [], "summary": {"a": {"dice": {"mean": 0.5, "median": 0.5, "std": null, "n": 1}}},
"cases": [{"case_id": "x", "labels": {"a": {"dice": 0.5, "jaccard": 0.3, "precision": null, "recall": 0.5,
"reference_ml": 1.0, "predicted_ml": 2.0, "volume_error_ml": 1.0}}, "is_missing": false}]}"""


def test_a_report_of_an_earlier_version_is_read_and_keeps_its_digest() -> None:
    """A selection rests on the digest of reports: it must not be made anew because there are more metrics."""
    report = parse_record(Report, parse_json(OLD, where="x"), where="x")
    assert math.isnan(report.cases[0].labels["a"].hd95)
    assert math.isnan(report.summary["a"]["dice"].low)
    assert (report.options, report.worst, report.cases[0].labels["a"].nsd) == (None, {}, {})
    assert parse_json(dump_json(report), where="x") == parse_json(OLD, where="x")


def test_a_report_without_cases_names_none() -> None:
    """As when a model is handed on: `worst` would tell the names that were taken out."""
    worst = {"a": {"dice": WorstCase(case_id="x", value=0.5, direction="lowest")}}
    report = small_report().model_copy(update={"worst": worst})
    assert '"x"' in dump_json(report.model_copy(update={"worst": worst}))
    assert '"x"' not in dump_json(report.model_copy(update={"cases": ()}))


def test_every_score_survives_its_file() -> None:
    full = LabelScores(**{metric: float(number) for number, metric in enumerate(METRICS)}, nsd={"nsd_2mm": 0.5})
    assert LabelScores.model_validate(parse_json(dump_json(full), where="x")) == full
    assert list(full.values()) == [*METRICS, "nsd_2mm"]
