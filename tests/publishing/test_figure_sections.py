"""Figures, captions and words for who cannot see them tell the same."""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.evaluation.benchmark import Benchmark, CurvePoint
from autoseg.publishing.figure_data import list_cost_panels, list_differences
from autoseg.publishing.figure_sections import make_case_section, make_learning_section, make_rank_section
from autoseg.publishing.numbers import show_difference
from tests.publishing.made_up import NAN


def test_one_method_is_subtracted_from_whether_or_not_a_floor_is_first(benchmark: Benchmark) -> None:
    kinds = {benchmark.scored[0].name: "floor", "threshold": "network"}
    swapped = tuple(it.model_copy(update={"kind": kinds.get(it.name, it.kind)}) for it in benchmark.methods)
    made = benchmark.model_copy(update={"methods": swapped})
    first, differences = list_differences(made)
    assert first == made.scored[1].name
    (picture,) = [
        block for block in make_case_section(made).blocks if getattr(block, "name", "") == "paired_differences"
    ]
    assert picture.caption.startswith(f"{first} minus")
    assert picture.caption.endswith(f"Floors are left out: {made.scored[0].name}.")
    assert f"{first} minus: {differences[0].name} {show_difference(differences[0].mean)}" in picture.alternative


def test_curves_that_end_without_a_dice_are_named_where_they_were_last_known(benchmark: Benchmark) -> None:
    unknown = CurvePoint(spent_s=901.0, n_iterations=1, dice=NAN)
    runs = tuple(run.model_copy(update={"curve": (*run.curve, unknown)}) for run in benchmark.methods[0].runs)
    holed = benchmark.model_copy(update={"methods": (benchmark.methods[0].model_copy(update={"runs": runs}),)})
    nothing = (runs[0].model_copy(update={"curve": (unknown,)}),)
    empty = benchmark.model_copy(update={"methods": (benchmark.methods[0].model_copy(update={"runs": nothing}),)})
    end = float(np.mean([run.curve[-2].dice for run in runs]))
    assert make_learning_section(holed).blocks[0].alternative.endswith(f"At the end: unet {end:.3f}.")
    assert make_learning_section(empty) is None


def test_bar_of_ranks_is_explained_by_the_test_that_drew_it(benchmark: Benchmark) -> None:
    told = make_rank_section(benchmark.ranking).blocks[0].caption
    assert "Nemenyi" in told
    alike = benchmark.ranking.model_copy(update={"friedman_p": 0.31, "groups": (benchmark.ranking.methods,)})
    told = make_rank_section(alike).blocks[0].caption
    assert "Friedman test does not show that the methods rank differently (p 0.310)" in told
    assert "Nemenyi" not in told


def test_differences_point_from_the_first_method_and_leave_floors_out(benchmark: Benchmark) -> None:
    first, *others = (method for method in benchmark.scored if method.kind != "floor")
    name, differences = list_differences(benchmark)
    assert name == first.name
    assert [item.name for item in differences] == [method.name for method in others]
    for item in differences:
        assert item.mean == pytest.approx(item.cases.mean())
        assert item.interval[0] <= item.mean <= item.interval[1]
    assert first.mean_dice - others[-1].mean_dice == pytest.approx(differences[-1].mean)


def test_costs_are_drawn_where_two_methods_tell_them(benchmark: Benchmark) -> None:
    panels = list_cost_panels(benchmark, ("s_per_case", "joules"))
    assert list(panels) == ["prediction per case (s)"]
    assert len(panels["prediction per case (s)"]) == 6
