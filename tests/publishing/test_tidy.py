"""Every score is one row of results.csv."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from autoseg.evaluation.benchmark import Benchmark
from autoseg.publishing.tidy import write_results
from tests.publishing.made_up import make_benchmark


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_scores_are_found_again_to_the_last_digit(holed: Benchmark, folder: Path) -> None:
    rows = [row for row in read(folder) if row["method"] == "vnet" and row["case"]]
    written = {tuple(row[key] for key in ("seed", "case", "label", "metric")): row["value"] for row in rows}
    vnet = next(method for method in holed.methods if method.name == "vnet")
    for run in vnet.runs:
        for case in run.report.cases:
            for label, scores in case.labels.items():
                value = written[str(run.seed), case.case_id, label, "dice"]
                assert (float(value) if value else None) == (None if math.isnan(scores.dice) else scores.dice)
    assert {row["metric"] for row in rows} >= {"nsd_1mm", "nsd_2mm", "volume_error_ml"}
    assert not {"ece", "cl_dice"} & {row["metric"] for row in rows}


def test_unit_is_that_of_the_case_and_missing_predictions_are_marked(folder: Path, tmp_path: Path) -> None:
    write_results(make_benchmark(n_cases=8, is_flat=True), tmp_path / "results.csv")
    rows = [row for row in read(tmp_path) if row["case"]]
    assert {row["unit"] for row in rows if row["metric"] in ("hd95", "assd")} == {"px"}
    rows = [row for row in read(folder) if row["case"]]
    assert {row["unit"] for row in rows if row["metric"] in ("hd95", "assd")} == {"mm"}
    assert {(row["method"], row["case"]) for row in rows if row["is_missing"] == "1"} == {("vnet", "case_000")}
    assert {row["is_missing"] for row in rows} == {"0", "1"}


def test_costs_and_what_runs_spent_have_no_case(folder: Path) -> None:
    rows = read(folder)
    costs = {row["metric"]: row for row in rows if row["method"] == "unet" and not row["case"] and not row["fold"]}
    assert float(costs["n_parameters"]["value"]) == 16.5e6
    assert costs["flops_per_case"]["unit"] == "FLOP"
    assert "joules" not in costs
    spent = [row for row in rows if row["method"] == "unet" and row["metric"] == "n_iterations"]
    assert {row["is_missing"] for row in spent} == {""}
    assert [(row["fold"], row["seed"]) for row in spent] == [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")]
    assert {row["value"] for row in spent} == {"4286"}
