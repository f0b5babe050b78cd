"""What is said of methods follows from the comparisons, and never more."""

from __future__ import annotations

import math

import pytest

from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.evaluation.comparing import compare_all
from autoseg.publishing.definition_section import list_statistics
from autoseg.publishing.numbers import show_difference, show_interval
from autoseg.publishing.pair_table import make_pair_table
from autoseg.publishing.standing import (
    RANKS_AND_DIFFERENCES,
    TWO_AVERAGES,
    find_seed_reach,
    list_pairs_of_first,
    make_findings,
    say_scope,
    split_others,
)
from tests.publishing.made_up import NAN, make_benchmark, pool, score


def test_words_follow_the_comparisons(benchmark: Benchmark) -> None:
    first = benchmark.scored[0].name
    worse, better, unshown = split_others(first, benchmark.comparisons)
    assert len(worse) + len(better) + len(unshown) == len(benchmark.scored) - 1
    lead = make_findings(benchmark).blocks[0].text
    assert lead.startswith(f"{first} has the highest mean Dice")
    assert "threshold" in worse
    assert not better
    assert all(name in lead.split(";")[1] for name in unshown)


def test_ranks_are_said_to_answer_another_question_than_differences(benchmark: Benchmark) -> None:
    told = [block.text for block in make_findings(benchmark).blocks if hasattr(block, "text")]
    assert f"{benchmark.ranking.sentence} {RANKS_AND_DIFFERENCES}" in told


def test_others_are_told_of_best_first(benchmark: Benchmark) -> None:
    names = [method.name for method in benchmark.scored]
    pairs = list_pairs_of_first(benchmark)
    assert [({item.one, item.other} - {names[0]}).pop() for item in pairs] == names[1:]
    worse = split_others(names[0], pairs).worse
    assert worse == sorted(worse, key=names.index)


def test_others_are_worse_better_or_neither(benchmark: Benchmark) -> None:
    worse, better, unshown = split_others("fcn8s", benchmark.comparisons)
    assert worse == ["threshold"]
    assert set(better) == {method.name for method in benchmark.scored} - {"fcn8s", "threshold"}
    assert unshown == []


def test_first_by_mean_dice_may_be_shown_to_be_worse_case_by_case() -> None:
    rare = ["c00", "c01"]  # the only cases with the second label, which the first method finds better
    wins = {f"c{i:02d}": {"a": score(0.80 + 0.001 * (i % 7)), "b": score(NAN)} for i in range(30)}
    loses = {f"c{i:02d}": {"a": score(0.85 + 0.002 * (i % 5)), "b": score(NAN)} for i in range(30)}
    for case_id in rare:
        wins[case_id]["b"], loses[case_id]["b"] = score(0.95), score(0.70)
    reports = {"wins": pool(wins), "loses": pool(loses)}
    methods = tuple(MethodResult(name=name, kind="predictions", pooled=report) for name, report in reports.items())
    made = make_benchmark(n_cases=8).model_copy(update={"methods": methods, "comparisons": compare_all(reports)})
    assert split_others("wins", made.comparisons) == ([], ["loses"], [])
    lead = make_findings(made).blocks[0].text
    assert lead.startswith("wins has the highest mean Dice, on 30 cases. Case by case, loses is shown to be better")
    assert TWO_AVERAGES in lead
    assert "not show a difference" not in lead


def test_what_is_shown_is_said_to_hold_for_the_networks_trained_here(benchmark: Benchmark) -> None:
    scope = "holds for the networks trained here (2 folds and 2 seeds each)"
    assert scope in make_findings(benchmark).blocks[0].text
    assert any(scope in text for _, text in list_statistics(benchmark))
    untrained = tuple(method for method in benchmark.methods if method.kind != "network")
    assert say_scope(benchmark.model_copy(update={"methods": untrained})) == ""


def test_difference_that_is_smaller_than_what_seeds_make_of_it_is_named(benchmark: Benchmark) -> None:
    pair = next(item for item in benchmark.comparisons if {item.one, item.other} == {"unet", "vnet"})
    assert pair.is_shown
    spreads = {"unet": abs(pair.mean_difference), "vnet": 0.0}
    for factor, is_named in ((0.4, False), (0.6, True)):
        methods = [it.model_copy(update={"seed_spread": factor * spreads.get(it.name, 0)}) for it in benchmark.methods]
        made = benchmark.model_copy(update={"methods": tuple(methods)})
        assert find_seed_reach(made, pair) == pytest.approx(2 * factor * abs(pair.mean_difference))
        told = [block.text for block in make_findings(made).blocks if hasattr(block, "text")]
        assert (
            any("two standard deviations over seeds" in text and "unet over vnet" in text for text in told) is is_named
        )
        verdict = next(row for row in make_pair_table(made).rows if row.head.text == "unet − vnet").cells[-1]
        assert bool(verdict.detail) is is_named
    floor = next(item for item in benchmark.comparisons if {item.one, item.other} == {"nnU-Net 2.8", "threshold"})
    assert math.isnan(find_seed_reach(benchmark, floor))


def test_pairs_are_told_with_folds_and_both_intervals(benchmark: Benchmark) -> None:
    table, item = make_pair_table(benchmark), benchmark.comparisons[0]
    cells = dict(zip([column.title for column in table.columns[1:]], table.rows[0].cells, strict=True))
    assert cells["mean difference"].detail == show_interval(item.interval, is_signed=True)
    assert cells["probability of superiority"].detail == show_interval(item.superiority_interval)
    assert cells["of each fold"].text == ", ".join(show_difference(item.fold_differences[fold]) for fold in "01")
