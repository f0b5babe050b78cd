"""The interval of a mean foreground Dice, also where a label is not counted in every case."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoseg.evaluation.bootstrapping import bootstrap_interval
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.mean_dice import find_mean_dice_interval, share_mean_dice
from autoseg.evaluation.report import CaseScores, Report
from tests.publishing.made_up import name_labels, score


def report(table: np.ndarray) -> Report:
    """Of Dice (n_cases, n_labels)."""
    names = [f"label {number}" for number in range(table.shape[1])]
    cases = [
        CaseScores(case_id=f"{i:03d}", labels={name: score(float(dice)) for name, dice in zip(names, row, strict=True)})
        for i, row in enumerate(table)
    ]
    return make_report(cases, name_labels(names))


def test_shares_average_to_the_mean_dice_with_holes() -> None:
    table = np.random.default_rng(0).uniform(0.2, 0.9, size=(12, 3))
    table[:7, 2] = math.nan
    made = report(table)
    assert made.mean_dice == pytest.approx(np.nanmean(table, axis=0).mean())
    assert share_mean_dice(made).mean() == pytest.approx(made.mean_dice)


def test_without_holes_it_is_the_interval_of_the_cases_means() -> None:
    table = np.random.default_rng(1).uniform(0.2, 0.9, size=(12, 2))
    folds = {f"{i:03d}": i % 2 for i in range(12)}
    made = report(table)
    assert find_mean_dice_interval(made) == pytest.approx(bootstrap_interval(table.mean(axis=1)))
    wanted = bootstrap_interval(table.mean(axis=1), strata=[i % 2 for i in range(12)])
    assert find_mean_dice_interval(made, folds) == pytest.approx(wanted)


def test_a_rare_label_widens_the_interval_as_resampling_whole_cases_does() -> None:
    generator = np.random.default_rng(2)
    table = generator.normal(0.7, 0.1, size=(60, 2))
    table[10:, 1] = math.nan
    draws = generator.integers(60, size=(4000, 60))
    means = [np.nanmean(table[drawn], axis=0).mean() for drawn in draws]
    low, high = find_mean_dice_interval(report(table))
    assert (high - low) / (2 * 1.96) == pytest.approx(np.nanstd(means), rel=0.15)


def test_interval_ends_where_dice_does() -> None:
    table = np.array([[0.70], [0.99], [0.98], [0.99]])
    assert bootstrap_interval(table[:, 0])[1] > 1
    assert find_mean_dice_interval(report(table))[1] == 1


def test_one_case_has_no_interval() -> None:
    assert all(map(math.isnan, find_mean_dice_interval(report(np.array([[0.5]])))))
