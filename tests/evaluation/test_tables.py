"""Tables say what the report says, and the tidy one is tidy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoseg.data.geometry import Geometry
from autoseg.data.labels import Labels
from autoseg.evaluation.case_metrics import evaluate_case
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.options import MetricOptions
from autoseg.evaluation.report import Report
from autoseg.evaluation.tables import (
    TIDY_COLUMNS,
    case_rows,
    label_rows,
    list_metrics,
    metric_rows,
    tidy_rows,
    title_metric,
)

LABELS = Labels(names=("background", "liver", "tumour"), values=(0, 1, 2))
OPTIONS = MetricOptions(label_tolerances={"tumour": (0.5,)})


def make(*, has_spacing: bool = True) -> Report:
    """Two cases of two labels: one shifted, one missing; the tumour is nowhere in the first."""
    geometry = Geometry((1, 12, 16), (4.0, 2.0, 0.5), n_dimensions=2, has_spacing=has_spacing)
    reference = np.zeros(geometry.shape, np.int16)
    reference[:, 2:8, 3:9] = 1
    with_tumour = reference.copy()
    with_tumour[:, 9, 10:14] = 2
    how = {"labels": LABELS, "geometry": geometry, "options": OPTIONS}
    cases = [
        evaluate_case(reference, np.roll(reference, 1, axis=2), case_id="a", **how),  # type: ignore[arg-type]
        evaluate_case(with_tumour, None, case_id="b", **how),  # type: ignore[arg-type]
    ]
    return make_report(cases, LABELS, options=OPTIONS)


def test_rows_have_a_cell_for_each_column() -> None:
    report = make()
    for columns, rows in (label_rows(report), metric_rows(report, "liver"), case_rows(report)):
        assert rows
        assert all(len(row) == len(columns) for row in rows)


def test_label_rows_begin_with_dice_and_name_its_worst_case() -> None:
    columns, rows = label_rows(make(), others=["hd95"])
    row = dict(zip(columns, rows[0], strict=True))
    summary = make().summary["liver"]
    assert (row["label"], row["dice"], row["low"], row["worst case"]) == (
        "liver",
        summary["dice"].mean,
        summary["dice"].low,
        "b",
    )
    assert row["hd95"] == summary["hd95"].mean
    assert columns[-1] == "hd95"


def test_metrics_that_no_case_counted_are_left_out() -> None:
    known = list_metrics(make())
    assert "cl_dice" not in known
    assert known[:3] == ["dice", "jaccard", "precision"]
    assert [metric for metric in known if metric.startswith("nsd")] == ["nsd_1mm", "nsd_2mm", "nsd_0.5mm"]


def test_tidy_rows_are_one_per_case_label_and_metric() -> None:
    rows = [dict(zip(TIDY_COLUMNS, row, strict=True)) for row in tidy_rows(make())]
    keys = {(row["case"], row["label"], row["metric"]) for row in rows}
    assert len(keys) == len(rows)
    found = {(row["case"], row["metric"]): row for row in rows if row["label"] == "tumour"}
    assert math.isnan(found["a", "dice"]["value"])
    assert found["b", "dice"]["value"] == 0
    assert (found["b", "hd95"]["unit"], found["b", "hd95"]["is_missing"]) == ("mm", 1)
    assert ("b", "nsd_0.5mm") in found
    assert ("b", "nsd_1mm") not in found


def test_pixels_are_the_unit_where_there_is_no_spacing() -> None:
    units = {row[2]: row[4] for row in tidy_rows(make(has_spacing=False))}
    assert (units["hd95"], units["assd"], units["dice"]) == ("px", "px", "")
    assert "nsd_1px" in units
    assert "reference_ml" not in units


@pytest.mark.parametrize(
    ("metric", "title"), [("dice", "Dice ↑"), ("hd95", "HD95 [mm] ↓"), ("volume_error_ml", "volume error [ml] →0")]
)
def test_titles_show_unit_and_direction(metric: str, title: str) -> None:
    assert title_metric(metric, "mm") == title
