"""Every score is one row of results.csv."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from autoseg.evaluation.benchmark import Benchmark
from autoseg.evaluation.report import mean_of


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_scores_are_found_again_with_their_unit(benchmark: Benchmark, folder: Path) -> None:
    rows = [row for row in read(folder) if (row["method"], row["seed"]) == ("vnet", "1") and row["case"]]
    dices = [float(row["value"]) for row in rows if row["metric"] == "dice"]
    vnet = next(method for method in benchmark.methods if method.name == "vnet")
    assert len(dices) == 80
    assert mean_of(dices) == pytest.approx(vnet.mean_dice, abs=1e-5)
    assert {row["unit"] for row in rows if row["metric"] == "hd95"} == {"mm"}
    assert {row["metric"] for row in rows} >= {"nsd_1mm", "nsd_2mm", "volume_error_ml"}
    assert not {"ece", "cl_dice"} & {row["metric"] for row in rows}


def test_costs_and_what_runs_spent_have_no_case(folder: Path) -> None:
    rows = read(folder)
    costs = {row["metric"]: row for row in rows if row["method"] == "unet" and not row["case"] and not row["fold"]}
    assert float(costs["n_parameters"]["value"]) == 16.5e6
    assert costs["flops_per_case"]["unit"] == "FLOP"
    assert "joules" not in costs
    spent = [row for row in rows if row["method"] == "unet" and row["metric"] == "n_iterations"]
    assert [(row["fold"], row["seed"]) for row in spent] == [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")]
    assert {row["value"] for row in spent} == {"4286"}
