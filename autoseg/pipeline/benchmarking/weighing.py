"""What will a network cost, and can it be compared at all? Known before anything is trained, without computing it.

The network runs on torch's meta device (`networks.costs`). One that cannot be built, that lacks its library, or whose
logits have another shape than the labels is a method without a result from the start.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from autoseg.errors import AutosegError, PlanError
from autoseg.networks.build import build_network
from autoseg.networks.costs import NetworkCosts, measure_costs
from autoseg.networks.training_memory import forecast_training
from autoseg.pipeline.benchmarking.fairness import TRIAL_FACTORS, TRIAL_SHARE, plan_method
from autoseg.pipeline.benchmarking.grounds import CommonGround, name_device_kind
from autoseg.pipeline.benchmarking.methods import Contender
from autoseg.pipeline.benchmarking.records import NOT_MEASURED
from autoseg.planning.choices import Length
from autoseg.planning.plan import Configuration, Plan
from autoseg.prediction.costs import count_prediction_flops
from autoseg.prediction.options import PredictionOptions
from autoseg.preprocessing.store import open_case
from autoseg.serialization import digest, to_plain

AS_PLANNED = ("unet", "residual_unet")  # whose memory the plan forecasts from their kernels


@dataclass(frozen=True)
class Weighed:
    """A network as it will be run.

    Attributes:
        plan: the shared one with this network.
        costs: None where they cannot be counted without values.
        length, trial_length: of its trainings; of the trials of a search, None without one.
        memory_gb: forecast peak of a training.
        flops_per_case: by fold, mean over its validation cases; NaN where not known.
        folder: name of the folder of its runs, after all that they obey.
    """

    plan: Plan
    costs: NetworkCosts | None
    length: Length
    trial_length: Length | None
    memory_gb: float
    flops_per_case: dict[int, float]
    folder: str


def weigh_network(ground: CommonGround, contender: Contender) -> Weighed:
    """What a network costs, and where its runs lie.

    Raises:
        AutosegError: it cannot be built, or answers in another shape, or the budget says nothing of it.
    """
    plan = plan_method(ground.plan, ground.configuration, contender.name)
    settings = plan.find_configuration(ground.configuration)
    costs = _count_costs(plan, settings)
    if costs is not None:
        _refuse_other_shape(costs, plan, settings)
    length, trial_length = _find_lengths(ground, settings, costs)
    return Weighed(
        plan=plan,
        costs=costs,
        length=length,
        trial_length=trial_length,
        memory_gb=_forecast_memory(ground, contender, plan, settings, costs),
        flops_per_case=_count_case_flops(ground, settings, costs),
        folder=f"{contender.file_name}-{_digest_obeyed(ground, plan, length, trial_length)}",
    )


def _count_costs(plan: Plan, settings: Configuration) -> NetworkCosts | None:
    n_inputs, n_outputs = _count_ends(plan, settings)
    try:
        return measure_costs(
            lambda: build_network(settings, n_inputs, n_outputs),
            patch_size=settings.patch_size.value,
            n_channels=n_inputs,
            batch_size=settings.batch_size.value,
        )
    except PlanError:
        build_network(settings, n_inputs, n_outputs)  # what cannot be built says so here; the rest is seen in training
        return None


def _count_ends(plan: Plan, settings: Configuration) -> tuple[int, int]:
    """Channels that go in and come out."""
    return settings.count_input_channels(len(plan.channels), plan.labels.n_labels), plan.labels.n_outputs


def _refuse_other_shape(costs: NetworkCosts, plan: Plan, settings: Configuration) -> None:
    expected = (plan.labels.n_outputs, *settings.patch_size.value)
    came = costs.output_shapes[0]
    if came != expected:
        raise PlanError(
            f"network {settings.network.value}: answers a patch with logits of shape {came}, but must with {expected}: "
            "one channel for each label or region, in the patch's own size."
        )


def _find_lengths(
    ground: CommonGround, settings: Configuration, costs: NetworkCosts | None
) -> tuple[Length, Length | None]:
    """How long the training lasts, and each trial of a search, which comes out of the same budget."""
    flops = NOT_MEASURED if costs is None or costs.uncounted else float(costs.flops_per_patch)
    batch_size, budget = settings.batch_size.value, ground.terms.budget
    if ground.terms.learning_rate != "search":
        return budget.find_length(flops_per_patch=flops, batch_size=batch_size), None
    rest = budget.scale(1 - len(TRIAL_FACTORS) * TRIAL_SHARE)
    trial = budget.scale(TRIAL_SHARE).find_length(flops_per_patch=flops, batch_size=batch_size)
    return rest.find_length(flops_per_patch=flops, batch_size=batch_size), trial


def _forecast_memory(
    ground: CommonGround, contender: Contender, plan: Plan, settings: Configuration, costs: NetworkCosts | None
) -> float:
    if costs is None or contender.name in AS_PLANNED:
        return settings.memory_gb.value
    forecast = forecast_training(
        costs,
        settings.batch_size.value,
        settings.optimizer.value,
        patch_size=settings.patch_size.value,
        n_channels=_count_ends(plan, settings)[0],
        device=name_device_kind(ground),
        precision=settings.precision.value,
    )
    return forecast.total_gb


def _count_case_flops(ground: CommonGround, settings: Configuration, costs: NetworkCosts | None) -> dict[int, float]:
    if costs is None or costs.uncounted:
        return dict.fromkeys(ground.folds, NOT_MEASURED)
    return {
        fold: statistics.fmean(
            count_prediction_flops(
                costs.flops_per_patch,
                open_case(ground.store, case_id).shape,
                settings.patch_size.value,
                PredictionOptions(),
                settings.mirroring_axes.value,
            )
            for case_id in split.validation
        )
        for fold, split in ground.chosen.items()
    }


def _digest_obeyed(ground: CommonGround, plan: Plan, length: Length, trial_length: Length | None) -> str:
    """Names all that a run follows from, but for its fold and seed.

    Seconds are worth less where several runs share the cores, so that the number of jobs belongs to a budget of time.
    """
    terms = ground.terms
    n_jobs = terms.n_jobs if terms.budget.kind == "time" else 1
    lengths = [to_plain(length), to_plain(trial_length)]
    parts = [plan.training_digest(ground.configuration), lengths, ground.case_digest, name_device_kind(ground), n_jobs]
    return digest(parts)


def explain(problem: Exception) -> str:
    """The first line of what went wrong; with the kind of the error where it is not one of ours."""
    lines = str(problem).strip().splitlines()
    first = lines[0] if lines else ""
    return first if isinstance(problem, AutosegError) and first else f"{type(problem).__name__}: {first}".rstrip(": ")
