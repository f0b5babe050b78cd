"""What the tables say follows from what was measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import CaseScores
from autoseg.publishing.content import tell_what
from autoseg.publishing.document import Row, Table
from autoseg.publishing.label_tables import make_label_section, make_label_table
from autoseg.publishing.main_table import find_length_unit, find_main_nsd, make_main_section, make_main_table
from autoseg.publishing.numbers import choose_prefix, join, show_difference, show_three
from autoseg.publishing.settings_tables import find_differences
from tests.publishing.made_up import NAN, make_benchmark, name_labels, pool, score


def row_of(table: Table, name: str) -> Row:
    return next(row for row in table.rows if row.head.text == name)


def test_main_table_names_every_method_best_first_and_failures_last(benchmark: Benchmark) -> None:
    table = make_main_table(benchmark)
    assert [row.head.text for row in table.rows[:-1]] == [method.name for method in benchmark.scored]
    assert table.rows[-1].head.text == "unet_plus_plus"
    assert "9.3 GB" in table.rows[-1].failure
    assert all(len(row.cells) == len(table.columns) - 1 for row in table.rows[:-1])
    assert "energy of training" in table.note


def test_numbers_stand_under_their_units_and_the_front_is_marked(benchmark: Benchmark) -> None:
    table = make_main_table(benchmark)
    column = next(i for i, column in enumerate(table.columns) if column.title == "parameters")
    assert table.columns[column].unit == "M"
    assert row_of(table, "unet").cells[column - 1].text == "16.5"
    marked = {row.head.text for row in table.rows[:-1] if row.cells[column - 1].is_on_front}
    assert {"fcn8s", "residual_unet"} <= marked
    assert not {"vnet", "threshold"} & marked


def test_lengths_have_the_unit_of_their_cases(benchmark: Benchmark) -> None:
    assert find_length_unit([method.pooled for method in benchmark.scored]) == "mm"
    bare = score(0.8, is_flat=True).model_copy(update={"nsd": {}})
    assert find_length_unit([pool({"c": {"a": bare, "b": bare}})]) == "px"
    without = {"a": bare.model_copy(update={"hd95": NAN}), "b": bare.model_copy(update={"hd95": NAN})}
    assert find_length_unit([pool({"c": without, "d": {"a": score(0.8), "b": score(0.8)}})]) == "mm or px"


def test_subtitle_speaks_of_what_has_a_result(benchmark: Benchmark) -> None:
    assert tell_what(benchmark) == (
        "6 networks, 1 floor and 1 outside system, evaluated alike on the same cases; networks are trained alike: "
        "the same splits, patches and budget. 1 method gave no result."
    )
    untrained = tuple(method for method in benchmark.methods if method.kind != "network")
    told = tell_what(benchmark.model_copy(update={"methods": untrained}))
    assert told == "1 floor and 1 outside system, evaluated alike on the same cases."
    failed = benchmark.model_copy(update={"methods": benchmark.methods[4:5]})
    assert tell_what(failed) == "1 method asked for; none has a result."


def test_number_of_cases_is_told_where_a_metric_is_counted_in_fewer() -> None:
    falses = (NAN, 1, 2, 3, 4)
    labels = [{"a": score(0.8).model_copy(update={"lesion_false_positives": number})} for number in falses]
    cases = [CaseScores(case_id=f"{i}", labels=its) for i, its in enumerate(labels)]
    method = MethodResult(name="m", kind="predictions", pooled=make_report(cases, name_labels("a")))
    table = make_label_table("a", [method])
    cells = dict(zip([column.title for column in table.columns[1:]], table.rows[0].cells, strict=True))
    assert (cells["false lesions"].text, cells["false lesions"].detail) == ("2.50", "n = 4")
    assert cells["HD95"].detail == ""
    assert table.note.startswith("n: cases where")


def test_settings_that_are_equal_are_not_listed() -> None:
    one = {"a": 1, "b": {"c": {"value": 2, "reason": "r"}, "d": 3}}
    other = {"a": 1, "b": {"c": 4, "d": 3}, "e": None}
    assert find_differences({"one": one, "other": other}) == {"b.c": ("2", "4"), "e": ("–", "null")}


def test_main_surface_dice_has_the_largest_tolerance_that_all_share(benchmark: Benchmark) -> None:
    report = benchmark.scored[0].pooled
    assert report is not None
    assert find_main_nsd([report]) == "nsd_2mm"
    less = {"anterior": report.summary["anterior"], "posterior": dict(report.summary["posterior"])}
    del less["posterior"]["nsd_2mm"]
    assert find_main_nsd([report, report.model_copy(update={"summary": less})]) == "nsd_1mm"
    assert find_main_nsd([]) == ""


def test_a_single_label_has_its_table_unfolded() -> None:
    made = make_benchmark(n_cases=8, labels=("nucleus",))
    first, hard = make_label_section(made).blocks
    assert (first.kind, first.caption) == ("table", "nucleus")
    assert len(hard.rows) == 8
    judged = [float(np.median([float(cell.text) for cell in row.cells[:-1]])) for row in hard.rows]
    assert judged == sorted(judged)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.08134, "0.0813"), (-0.0221, "−0.0221"), (12.345, "12.3"), (4829.6, "4,830"), (0.0, "0"), (math.nan, "–")],
)
def test_three_digits(value: float, shown: str) -> None:
    assert show_three(value) == shown


def test_prefixes_signs_and_lists() -> None:
    assert choose_prefix([2e11, 6e10, math.nan]).prefix == "G"
    assert choose_prefix([]).show(5.0) == "5.00"
    assert [show_difference(value) for value in (-0.0123, 0.00012, 0.00003, -4e-7, 0.0, 1e-12, math.inf)] == [
        "−0.0123",
        "+0.0001",
        "+0.00003",
        "−0.0000004",
        "0",
        "0",
        "–",
    ]
    assert [join(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_missing_cases_are_named_with_the_method_that_left_them_out() -> None:
    few, many = (make_benchmark(n_cases=16, n_missing=number) for number in (1, 7))
    assert make_main_section(few).blocks[1].text.endswith("counted as misses: vnet case_000.")
    assert make_main_section(many).blocks[1].text.endswith("case_003, case_004 and 2 others.")
