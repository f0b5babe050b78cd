"""What a comparison is kept as."""

from __future__ import annotations

import math

from autoseg.evaluation.benchmark import Benchmark, Costs, MethodResult
from autoseg.evaluation.report import Report
from autoseg.serialization import parse_json, parse_record

NAN = math.nan
SCORES = dict.fromkeys((name for name in Costs.model_fields if name != "n_parameters"), NAN)


def make_method(name: str, mean_dice: float) -> MethodResult:
    report = Report(mean_dice=mean_dice, n_cases=0, summary={}, cases=())
    return MethodResult(name=name, kind="network", pooled=report)


def test_the_best_comes_first_and_what_is_counted_nowhere_last() -> None:
    """NaN is neither less nor more than anything, so that it would leave the others where they stand."""
    methods = (make_method("low", 0.1), make_method("none", NAN), make_method("high", 0.9))
    words = dict.fromkeys(("dataset", "configuration", "budget", "learning_rate", "command", "date"), "")
    lists = {"folds": (0,), "seeds": (0,), "equal": (), "machine": {}, "fold_of": {}}
    compared = Benchmark(**words, **lists, methods=methods)
    assert [method.name for method in compared.scored] == ["high", "low", "none"]


def test_parameters_are_counted_or_not_known() -> None:
    for n_parameters in (123, NAN):
        costs = Costs(n_parameters=n_parameters, **SCORES)
        kept = parse_record(Costs, parse_json(costs.model_dump_json(), where="here"), where="here")
        assert repr(kept.n_parameters) == repr(n_parameters)
