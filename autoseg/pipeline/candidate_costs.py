"""How much does predicting the median case compute, with each configuration or ensemble that may be selected?

By the plan alone: convolutions of every window and mirror image of the median case, the parts of an ensemble added. The
U-Nets are counted from their kernels; any other network is built without values and looked at (`networks.costs`).
"""

from __future__ import annotations

from collections.abc import Iterable

from autoseg.errors import AutosegError
from autoseg.evaluation.selecting import members_of
from autoseg.pipeline.cascading import list_previous
from autoseg.planning.forecasting import sketch_configuration
from autoseg.planning.layers import SKETCHED
from autoseg.planning.plan import Configuration, Plan
from autoseg.planning.throughput import count_forward_flops
from autoseg.prediction.costs import count_prediction_flops
from autoseg.prediction.options import PredictionOptions


def count_flops(plan: Plan, candidates: Iterable[str]) -> dict[str, float] | None:
    """Floating point operations of predicting the median case, by candidate; None where they are not known of all.

    A cascade counts with the configuration that it builds on.
    """
    alone = {name: _count_alone(plan, name) for name in plan.configurations}
    known = {name: flops for name, flops in alone.items() if flops is not None}
    passes = {name: list_previous(plan, members_of(name)) for name in candidates}
    if not all(its in known for names in passes.values() for its in names):
        return None
    return {name: sum(known[its] for its in names) for name, names in passes.items()}


def _count_alone(plan: Plan, name: str) -> float | None:
    configuration = plan.configurations[name]
    median_case = configuration.prediction_memory_gb.inputs.get("median_case")
    if median_case is None:
        return None
    one_patch = _count_patch(plan, configuration)
    if one_patch is None:
        return None
    patch_size, mirroring_axes = configuration.patch_size.value, configuration.mirroring_axes.value
    return count_prediction_flops(one_patch, median_case, patch_size, PredictionOptions(), mirroring_axes)


def _count_patch(plan: Plan, configuration: Configuration) -> float | None:
    """Operations of one patch; None for a network that cannot be built here or that does what nobody counts."""
    labels, n_channels = plan.labels, len(plan.channels)
    if configuration.network.value in SKETCHED:
        sketch = sketch_configuration(
            configuration, n_channels=n_channels, n_labels=labels.n_labels, n_outputs=labels.n_outputs
        )
        return count_forward_flops(sketch, configuration.patch_size.value)
    from autoseg.networks.build import build_network
    from autoseg.networks.costs import measure_costs

    n_inputs = configuration.count_input_channels(n_channels, labels.n_labels)
    try:
        costs = measure_costs(
            lambda: build_network(configuration, n_inputs, labels.n_outputs),
            patch_size=configuration.patch_size.value,
            n_channels=n_inputs,
        )
    except AutosegError:
        return None
    return None if costs.uncounted else costs.flops_per_patch
