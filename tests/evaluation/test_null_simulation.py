"""Between equals, differences are shown no more often than in 5% of experiments; a real one is found.

What `benchmarks/null_simulation.py` simulates at length, in short. Rates carry the error of their number of
experiments: three standard errors are allowed above 5%.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from autoseg.data.labels import Labels
from autoseg.evaluation.bootstrapping import bootstrap_interval
from autoseg.evaluation.comparing import compare_all
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import CaseScores, LabelScores, Report

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "null_simulation.py"
OTHERS = ("jaccard", "precision", "recall", "reference_ml", "predicted_ml", "volume_error_ml")
DISTRIBUTIONS = ("normal", "skewed", "failures", "heavy_tails", "ties", "fold_effects")


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    if not SCRIPT.is_file():
        pytest.skip("benchmarks/ is not part of this copy")
    spec = importlib.util.spec_from_file_location("null_simulation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.N_RESAMPLES = 250  # type: ignore[attr-defined]
    return module


def bear(n_experiments: int, level: float = 0.05) -> float:
    return level + 3 * float(np.sqrt(level * (1 - level) / n_experiments))


@pytest.mark.parametrize("n_cases", [6, 20, 40])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_pairs_of_equals_stay_at_the_nominal_rate(simulation: ModuleType, distribution: str, n_cases: int) -> None:
    rates = simulation.simulate(simulation.CLAIMED[distribution], n_cases, 2, 200)
    assert rates["rate"] <= bear(200)
    assert rates["coverage"] >= 1 - bear(200, 0.06), "percentiles of few cases are known to be a little narrow"


@pytest.mark.parametrize("distribution", ["skewed", "ties"])
def test_six_equals_have_no_pair_shown_more_often_than_that(simulation: ModuleType, distribution: str) -> None:
    rates = simulation.simulate(simulation.CLAIMED[distribution], 15, 6, 60)
    assert rates["rate"] <= bear(60)
    assert rates["friedman_rate"] <= bear(60)


def test_every_distribution_of_equals_was_tried(simulation: ModuleType) -> None:
    assert tuple(simulation.CLAIMED) == DISTRIBUTIONS


def test_a_real_difference_is_found_and_more_cases_find_it_more_often(simulation: ModuleType) -> None:
    rates = [simulation.simulate(simulation.CLAIMED["skewed"], n, 2, 80, shift=0.05)["rate"] for n in (6, 20, 80)]
    assert rates[0] < rates[1] < rates[2]
    assert rates[2] > 0.95


def test_a_test_without_correction_would_be_caught(simulation: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoseg.evaluation.comparing.correct_holm", lambda p_values: list(p_values))
    monkeypatch.setattr(
        "autoseg.evaluation.comparing.bootstrap_interval",
        lambda values, level=0.05, **options: bootstrap_interval(values, **options),
    )
    assert simulation.simulate(simulation.CLAIMED["normal"], 15, 6, 40)["rate"] > bear(40)


def test_reports_between_equals_are_called_equal() -> None:
    """From scores to words: 40 experiments with three methods, 5% of which may be wrong."""
    labels = Labels(names=("background", "organ"), values=(0, 1))

    def report(dices: np.ndarray) -> Report:
        scores = [LabelScores(dice=float(dice), **dict.fromkeys(OTHERS, 0.0)) for dice in dices]
        return make_report(
            [CaseScores(case_id=f"{i:02}", labels={"organ": its}) for i, its in enumerate(scores)], labels
        )

    n_wrong = 0
    for seed in range(40):
        dices = np.random.default_rng(seed).beta(8, 2, (3, 15))
        comparisons = compare_all({str(i): report(its) for i, its in enumerate(dices)}, n_resamples=300)
        n_wrong += any("is better than" in each.sentence for each in comparisons)
    assert n_wrong <= 6, "more has a probability below 1%"
