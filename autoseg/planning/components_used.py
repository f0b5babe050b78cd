"""Which components of a person's own does a plan name, where a checkpoint holds their weights but not their code?"""

from __future__ import annotations

from collections.abc import Iterator

from autoseg.components import is_dotted
from autoseg.planning.plan import Configuration, Plan
from autoseg.planning.walking import name_channels


def list_components(plan: Plan, configuration: str) -> dict[str, str]:
    """Dotted paths by the key that names them, in the order of the file; empty where all names are autoseg's own.

    Args:
        configuration: its name; `normalization` is the plan's and counts for each.

    Raises:
        UsageError: the plan has no such configuration.
    """
    named = [*_list_schemes(plan), *_list_names(plan.find_configuration(configuration))]
    return {key: name for key, name in named if is_dotted(name)}


def _list_schemes(plan: Plan) -> Iterator[tuple[str, str]]:
    keys = name_channels([channel.channel for channel in plan.normalization])
    for key, channel in zip(keys, plan.normalization, strict=True):
        yield f"normalization.{key}.scheme", channel.scheme.value


def _list_names(configuration: Configuration) -> Iterator[tuple[str, str]]:
    yield "network", configuration.network.value
    for term in configuration.loss.value.terms:
        yield f"loss.terms.{term}", term
    yield "optimizer.name", configuration.optimizer.value.name
    yield "optimizer.schedule", configuration.optimizer.value.schedule
    for index, path in enumerate(configuration.augmentation.value.custom):
        yield f"augmentation.custom[{index}]", path
