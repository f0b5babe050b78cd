"""Names and parameters that a plan may use are those of the rooms that give them a meaning."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from autoseg.networks.build import NETWORKS
from autoseg.planning import blueprint, naming
from autoseg.planning.choices import Resampling
from autoseg.planning.naming import Named, Parameter
from autoseg.planning.rules.augmentation import PRESETS
from autoseg.planning.wishes import Wishes
from autoseg.preprocessing.normalizing import SCHEMES
from autoseg.schemas import list_literals
from autoseg.training.losses import TERMS
from autoseg.training.optimizers import OPTIMIZERS
from autoseg.training.sampling import CASE_SAMPLINGS
from autoseg.training.schedule import SCHEDULES

TABLES: dict[str, tuple[Mapping[str, Named], tuple[str, ...], Mapping[str, Any]]] = {
    "networks": (naming.NETWORKS, blueprint.NETWORKS, NETWORKS),
    "terms": (naming.LOSS_TERMS, blueprint.LOSS_TERMS, TERMS),
    "optimizers": (naming.OPTIMIZERS, blueprint.OPTIMIZERS, OPTIMIZERS),
    "schedules": (naming.SCHEDULES, blueprint.SCHEDULES, SCHEDULES),
    "samplings": (naming.CASE_SAMPLINGS, blueprint.CASE_SAMPLINGS, CASE_SAMPLINGS),
    "schemes": (naming.NORMALIZATION_SCHEMES, blueprint.NORMALIZATION_SCHEMES, SCHEMES),
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_name_is_known_to_plans_and_has_a_meaning(kind: str) -> None:
    table, known, rooms = TABLES[kind]
    assert set(table) == set(known) == set(rooms)
    assert all(named.meaning for named in table.values())


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (naming.PRECISIONS, blueprint.PRECISIONS),
        (naming.MEMORY_LAYOUTS, blueprint.MEMORY_LAYOUTS),
        (naming.ENGINES, blueprint.ENGINES),
        (naming.SEPARATE, list_literals(Resampling.model_fields["separate"].annotation)),
        (naming.PRESETS, tuple(PRESETS)),
        (naming.PRESETS, list_literals(Wishes.model_fields["augmentation"].annotation)),
    ],
)
def test_names_without_a_room_of_their_own_are_the_same_everywhere(
    table: Mapping[str, Named], names: tuple[str, ...]
) -> None:
    assert tuple(table) == names


def list_parameters(part: Callable[..., Any]) -> dict[str, Any]:
    """Keyword-only parameters with their defaults, sequences as lists."""
    given = inspect.signature(part).parameters.values()
    defaults = {each.name: each.default for each in given if each.kind is inspect.Parameter.KEYWORD_ONLY}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}


@pytest.mark.parametrize("kind", ["terms", "optimizers"])
def test_parameters_and_their_defaults_are_those_of_the_signature(kind: str) -> None:
    table, _, rooms = TABLES[kind]
    for name, part in rooms.items():
        assert {key: one.default for key, one in table[name].parameters.items()} == list_parameters(part), name


@pytest.mark.parametrize(
    ("parameter", "value", "fault"),
    [
        (Parameter(default=2.0, meaning="", low=0), 0, None),
        (Parameter(default=2.0, meaning="", low=0, is_above=True), 0, "is 0, but must be above 0."),
        (Parameter(default=0.1, meaning="", low=0, high=1), 1.5, "is 1.5, but must be at least 0 and at most 1."),
        (Parameter(default=0.1, meaning=""), float("nan"), "is nan, but must be a finite number."),
        (Parameter(default=0.1, meaning=""), True, "is True, but must be a finite number."),
        (Parameter(default=False, meaning=""), 1, "is 1, but must be true or false."),
        (Parameter(default="inverse_frequency", meaning=""), [1, 2], None),
    ],
)
def test_a_value_out_of_range_is_told_its_range(parameter: Parameter, value: object, fault: str | None) -> None:
    assert parameter.find_fault(value) == fault
