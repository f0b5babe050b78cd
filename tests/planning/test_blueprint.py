"""What is the same for every dataset; `test_naming` holds the names to the rooms that give them a meaning."""

from __future__ import annotations

from autoseg.planning import blueprint


def test_few_cases_have_a_fold_each() -> None:
    assert blueprint.fix_n_folds(20).value == 5
    assert blueprint.fix_n_folds(3).value == 3
    assert "one fold per case" in blueprint.fix_n_folds(3).reason


def test_one_case_is_warned_about() -> None:
    decision = blueprint.fix_n_folds(1)
    assert decision.value == 2
    assert decision.reason.startswith("WARNING")
    assert "one case cannot be split" in decision.reason
