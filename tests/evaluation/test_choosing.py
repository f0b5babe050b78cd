"""Who chooses by errors is told the error of choosing."""

from __future__ import annotations

import numpy as np

from autoseg.evaluation.choosing import choose, predict_both, try_predictors
from autoseg.evaluation.held_out import Rows


def make_rows(n_cases: int, seed: int, *, slope: float, n_parts: int = 5, n_labels: int = 1) -> Rows:
    """Dice follows the one feature by `slope`; each case has all labels."""
    generator = np.random.default_rng(seed)
    cases = np.repeat(np.arange(n_cases), n_labels)
    feature = generator.uniform(size=(cases.size, 1))
    dice = 0.5 + slope * (feature[:, 0] - 0.5) + generator.normal(0, 0.05, cases.size)
    return Rows(dice, feature, np.tile(np.arange(n_labels), n_cases), cases % n_parts, cases)


def test_a_true_line_is_chosen_with_and_without_each_part() -> None:
    tried = try_predictors(make_rows(60, 0, slope=0.4))
    assert tried.choice.is_line.tolist() == [True]
    assert tried.choice.gain_interval[0] > 0
    np.testing.assert_array_equal(tried.by_choice, tried.by_line)


def test_each_part_is_predicted_as_a_choice_without_it_says() -> None:
    """A relation that few cases show: parts differ in what the others choose."""
    mixed = 0
    for seed in range(8):
        rows = make_rows(30, seed, slope=0.1)
        tried = try_predictors(rows)
        for part in range(5):
            others = rows.take(rows.parts != part)
            is_line = choose(others, predict_both(others), n_resamples=500).is_line[0]
            expected = (tried.by_line if is_line else tried.by_mean)[rows.parts == part]
            np.testing.assert_array_equal(tried.by_choice[rows.parts == part], expected)
            mixed += bool(is_line != tried.choice.is_line[0])
    assert mixed > 0


def test_choosing_costs_what_the_better_of_two_hides() -> None:
    """Where certainty tells next to nothing, the smaller of two held-out errors is smaller than what is to come."""
    apparent, stated, to_come = [], [], []
    for seed in range(25):
        rows, new = make_rows(20, seed, slope=0.1), make_rows(4000, 1000 + seed, slope=0.1)
        tried = try_predictors(rows)
        errors = [np.abs(by - rows.dice).mean() for by in (tried.by_line, tried.by_mean, tried.by_choice)]
        apparent.append(min(errors[:2]))
        stated.append(errors[2])
        mean = np.abs(new.dice - rows.dice.mean()).mean()
        to_come.append(mean)
    assert np.mean(apparent) < np.mean(stated)
    assert abs(np.mean(stated) - np.mean(to_come)) < 0.005


def test_a_label_in_one_remaining_part_is_predicted_by_its_mean_there() -> None:
    rows = make_rows(40, 3, slope=0.4, n_labels=2)
    few = (rows.labels == 0) | np.isin(rows.parts, [0, 1])
    tried = try_predictors(rows.take(few))
    kept = rows.take(few)
    alone = (kept.labels == 1) & (kept.parts == 0)
    np.testing.assert_array_equal(tried.by_choice[alone], tried.by_mean[alone])
    assert np.isfinite(tried.by_choice).all()
