"""The names that a plan may use are those that the rooms give a meaning to."""

from __future__ import annotations

from autoseg.networks.build import NETWORKS
from autoseg.planning import blueprint
from autoseg.training.losses import TERMS
from autoseg.training.schedule import SCHEDULES
from autoseg.training.state import OPTIMIZERS


def test_names_are_those_of_the_rooms_that_know_their_meaning() -> None:
    assert set(blueprint.NETWORKS) == set(NETWORKS)
    assert set(blueprint.LOSS_TERMS) == set(TERMS)
    assert set(blueprint.SCHEDULES) == set(SCHEDULES)
    assert set(blueprint.OPTIMIZERS) == set(OPTIMIZERS)


def test_normalization_schemes_are_those_of_preprocessing() -> None:
    from autoseg.preprocessing.normalizing import SCHEMES

    assert set(blueprint.NORMALIZATION_SCHEMES) == set(SCHEMES)


def test_few_cases_have_a_fold_each() -> None:
    assert blueprint.fix_n_folds(20).value == 5
    assert blueprint.fix_n_folds(3).value == 3
    assert "one fold per case" in blueprint.fix_n_folds(3).reason


def test_one_case_is_warned_about() -> None:
    decision = blueprint.fix_n_folds(1)
    assert decision.value == 2
    assert decision.reason.startswith("WARNING")
    assert "one case cannot be split" in decision.reason
