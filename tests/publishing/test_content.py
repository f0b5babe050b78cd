"""What the page says follows from what was measured, and never more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoseg.data.geometry import Geometry
from autoseg.data.labels import Labels
from autoseg.evaluation.benchmark import Benchmark
from autoseg.evaluation.case_metrics import evaluate_case
from autoseg.evaluation.options import MetricOptions
from autoseg.evaluation.report import LabelScores
from autoseg.publishing.document import Row, Table
from autoseg.publishing.empty_masks import NOT_COUNTED, POLICY, WORST
from autoseg.publishing.figure_sections import list_cost_panels, list_differences
from autoseg.publishing.label_tables import make_label_section
from autoseg.publishing.main_table import find_main_nsd, make_main_table
from autoseg.publishing.numbers import choose_prefix, join, show_difference, show_three
from autoseg.publishing.settings_tables import find_differences
from autoseg.publishing.standing import make_findings, split_others
from tests.publishing.made_up import make_benchmark

SHAPE, SPACING_MM = (4, 10, 12), (3.0, 1.0, 0.5)


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


def test_words_follow_the_comparisons(benchmark: Benchmark) -> None:
    first = benchmark.scored[0].name
    shown, unshown = split_others(first, benchmark.comparisons)
    assert len(shown) + len(unshown) == len(benchmark.scored) - 1
    lead = make_findings(benchmark).blocks[0].text
    assert lead.startswith(f"{first} has the highest mean Dice")
    assert "threshold" in shown
    assert all(name in lead.split(";")[1] for name in unshown)


def test_worse_on_average_over_cases_is_never_called_better(benchmark: Benchmark) -> None:
    shown, unshown = split_others("fcn8s", benchmark.comparisons)
    assert shown == ["threshold"]
    assert "residual_unet" in unshown


def test_differences_point_from_the_first_method_and_leave_floors_out(benchmark: Benchmark) -> None:
    first, *others = (method for method in benchmark.scored if method.kind != "floor")
    differences = list_differences(benchmark)
    assert [item.name for item in differences] == [method.name for method in others]
    for item in differences:
        assert item.mean == pytest.approx(item.cases.mean())
        assert item.interval[0] <= item.mean <= item.interval[1]
    assert first.mean_dice - others[-1].mean_dice == pytest.approx(differences[-1].mean)


def test_costs_are_drawn_where_two_methods_tell_them(benchmark: Benchmark) -> None:
    panels = list_cost_panels(benchmark, ("s_per_case", "joules"))
    assert list(panels) == ["prediction per case (s)"]
    assert len(panels["prediction per case (s)"]) == 6


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
    made = make_benchmark(n_cases=8, labels=["nucleus"])
    first, hard = make_label_section(made).blocks
    assert (first.kind, first.caption) == ("table", "nucleus")
    assert len(hard.rows) == 8
    judged = [float(np.median([float(cell.text) for cell in row.cells[:-1]])) for row in hard.rows]
    assert judged == sorted(judged)


def score_empty(reference: str, predicted: str) -> LabelScores:
    masks = {"empty": np.zeros(SHAPE, np.int16), "something": np.zeros(SHAPE, np.int16)}
    masks["something"][1:3, 2:6, 3:9] = 1
    masks["anything"] = masks["something"]
    scores = evaluate_case(
        masks[reference],
        masks.get(predicted),
        labels=Labels(names=("background", "organ"), values=(0, 1)),
        geometry=Geometry(SHAPE, SPACING_MM),
        case_id="c",
        options=MetricOptions(tubular=("organ",)),
    )
    return scores.labels["organ"]


@pytest.mark.parametrize("masks", POLICY, ids=" and ".join)
def test_table_of_empty_masks_says_what_evaluation_does(masks: tuple[str, str]) -> None:
    scores = score_empty(*masks)
    distances = (scores.hd95, scores.assd)
    shares = (scores.boundary_iou, scores.cl_dice, *scores.nsd.values())
    measured = ((scores.dice, scores.jaccard), (scores.precision,), (scores.recall,), distances, shares)
    for told, values in zip(POLICY[masks], measured, strict=True):
        for value in values:
            if told == NOT_COUNTED:
                assert math.isnan(value)
            elif told == WORST:
                assert value == pytest.approx(math.dist((0, 0, 0), np.multiply(SHAPE, SPACING_MM)), rel=0.3)
            else:
                assert value == 0


@pytest.mark.parametrize(
    ("value", "shown"), [(0.08134, "0.0813"), (12.345, "12.3"), (4829.6, "4,830"), (0.0, "0"), (math.nan, "–")]
)
def test_three_digits(value: float, shown: str) -> None:
    assert show_three(value) == shown


def test_prefixes_signs_and_lists() -> None:
    assert choose_prefix([2e11, 6e10, math.nan]).prefix == "G"
    assert choose_prefix([]).show(5.0) == "5.00"
    assert show_difference(-0.0123) == "−0.012"
    assert [join(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
