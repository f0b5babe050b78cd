"""What will a network cost, and can it be compared at all? Known before anything is trained, without computing it.

The network runs on torch's meta device (`networks.costs`). One that cannot be built, that lacks its library, or whose
logits have another shape than the labels, in training or in prediction, is a method without a result from the start.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import torch

from autoseg.components import is_dotted
from autoseg.errors import AutosegError, PlanError
from autoseg.networks.build import build_network
from autoseg.networks.costs import NetworkCosts, measure_costs
from autoseg.networks.training_memory import forecast_training
from autoseg.pipeline.benchmarking.fairness import TRIAL_FACTORS, TRIAL_SHARE, plan_method
from autoseg.pipeline.benchmarking.grounds import CommonGround, name_device_kind
from autoseg.pipeline.benchmarking.methods import Contender
from autoseg.pipeline.benchmarking.records import NOT_MEASURED
from autoseg.planning.choices import Length
from autoseg.planning.layers import SKETCHED
from autoseg.planning.plan import Configuration, Plan
from autoseg.prediction.costs import count_prediction_flops
from autoseg.prediction.options import PredictionOptions
from autoseg.preprocessing.store import open_case


@dataclass(frozen=True)
class Weighed:
    """A network as it will be run.

    Attributes:
        plan: the shared one with this network.
        costs: None where they cannot be counted without values.
        length, trial_length: of its trainings; of the trials of a search, None without one.
        memory_gb: forecast peak of a training.
        flops_per_case: by fold, mean over its validation cases; NaN where not known.
    """

    plan: Plan
    costs: NetworkCosts | None
    length: Length
    trial_length: Length | None
    memory_gb: float
    flops_per_case: dict[int, float]


def weigh_network(ground: CommonGround, contender: Contender) -> Weighed:
    """What a network costs, and how long it trains.

    Raises:
        AutosegError: it cannot be built, or answers in another shape, or the budget says nothing of it.
    """
    plan = plan_method(ground.plan, ground.configuration, contender.name)
    settings = plan.find_configuration(ground.configuration)
    costs = _count_costs(plan, settings)
    if costs is not None:
        _refuse_other_shape(costs.output_shapes[0], plan, settings)
        if is_dotted(contender.name):  # autoseg's own answer alike, which their tests say
            _refuse_other_shape(_find_predicted_shape(plan, settings), plan, settings, when=" in prediction")
    length, trial_length = _find_lengths(ground, settings, costs)
    return Weighed(
        plan=plan,
        costs=costs,
        length=length,
        trial_length=trial_length,
        memory_gb=_forecast_memory(ground, contender, plan, settings, costs),
        flops_per_case=_count_case_flops(ground, settings, costs),
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


def _refuse_other_shape(came: tuple[int, ...], plan: Plan, settings: Configuration, *, when: str = "") -> None:
    expected = (plan.labels.n_outputs, *settings.patch_size.value)
    if came != expected:
        raise PlanError(
            f"network {settings.network.value}: answers a patch{when} with logits of shape {came}, but must with "
            f"{expected}: one channel for each label or region, in the patch's own size."
        )


def _find_predicted_shape(plan: Plan, settings: Configuration) -> tuple[int, ...]:
    """Of a patch's logits in evaluation mode: (K, *patch). Raises PlanError for anything but one tensor."""
    n_inputs, n_outputs = _count_ends(plan, settings)
    with torch.random.fork_rng(devices=[]):
        network = build_network(settings, n_inputs, n_outputs).to("meta").eval()
    with torch.no_grad():
        answer = network(torch.zeros((1, n_inputs, *settings.patch_size.value), device="meta"))
    if not isinstance(answer, torch.Tensor):
        raise PlanError(
            f"network {settings.network.value}: answers a patch in prediction with a {type(answer).__name__}, but must "
            "with one tensor of logits. Several outputs are for training alone: return them where `self.training`."
        )
    return tuple(answer.shape[1:])


def _find_lengths(
    ground: CommonGround, settings: Configuration, costs: NetworkCosts | None
) -> tuple[Length, Length | None]:
    """How long the training lasts, and each trial of a search, which comes out of the same budget."""
    flops = NOT_MEASURED if costs is None or costs.uncounted else float(costs.flops_per_patch)
    batch_size, budget = settings.batch_size.value, ground.terms.budget
    if ground.terms.learning_rate != "search":
        return budget.find_length(flops_per_patch=flops, batch_size=batch_size), None
    n_trials = len(TRIAL_FACTORS)
    return budget.divide(flops_per_patch=flops, batch_size=batch_size, n_trials=n_trials, trial_share=TRIAL_SHARE)


def _forecast_memory(
    ground: CommonGround, contender: Contender, plan: Plan, settings: Configuration, costs: NetworkCosts | None
) -> float:
    if costs is None or contender.name in SKETCHED:
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


def explain(problem: Exception) -> str:
    """The first line of what went wrong; with the kind of the error where it is not one of ours."""
    lines = str(problem).strip().splitlines()
    first = lines[0] if lines else ""
    return first if isinstance(problem, AutosegError) and first else f"{type(problem).__name__}: {first}".rstrip(": ")
