"""How much does predicting the median case compute, with each configuration or ensemble that may be selected?

By the plan alone: convolutions of every window and mirror image of the median case, the parts of an ensemble added.
"""

from __future__ import annotations

from collections.abc import Iterable

from autoseg.evaluation.selecting import members_of
from autoseg.pipeline.cascading import list_previous
from autoseg.planning.forecasting import sketch_configuration
from autoseg.planning.plan import Plan
from autoseg.planning.throughput import count_forward_flops
from autoseg.prediction.costs import count_prediction_flops
from autoseg.prediction.options import PredictionOptions


def count_flops(plan: Plan, candidates: Iterable[str]) -> dict[str, float] | None:
    """Floating point operations of predicting the median case, by candidate; None where the plan does not tell it.

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
    sketch = sketch_configuration(
        configuration,
        n_channels=len(plan.channels),
        n_labels=plan.labels.n_labels,
        n_outputs=plan.labels.n_outputs,
    )
    patch_size = configuration.patch_size.value
    one_patch = count_forward_flops(sketch, patch_size)
    return count_prediction_flops(
        one_patch, median_case, patch_size, PredictionOptions(), configuration.mirroring_axes.value
    )
