"""What a person should know of a training that goes otherwise than planned: its precision, its memory."""

from __future__ import annotations

from autoseg.errors import PlanError
from autoseg.networks.build import build_network
from autoseg.networks.costs import measure_costs
from autoseg.networks.device import choose_device, find_mixed_type
from autoseg.networks.training_memory import forecast_training
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.project import Project
from autoseg.planning.layers import SKETCHED
from autoseg.training.history import read_history

MEMORY_SLACK = 1.1  # a measured peak beyond this many times the predicted one is worth a warning


def warn_of_other_precision(project: Project, order: FoldOrder) -> None:
    """Say so where the device does not compute in the plan's precision."""
    precision, device = order.settings.precision.value, choose_device(order.device)
    if precision != "float32" and find_mixed_type(precision, device) is None:
        project.reporter.warn(
            f"The plan asks for {precision}, which {device} does not compute in: training in float32, which takes more "
            "memory and time than predicted."
        )


def predict_memory_gb(project: Project, order: FoldOrder) -> float:
    """Peak of training as the plan forecasts it, or counted on the network where the plan knows a U-Net alone.

    Warns where what was counted is more than the budget, or where nothing can be counted.
    """
    name, planned_gb = order.settings.network.value, order.settings.memory_gb.value
    if name in SKETCHED:
        return planned_gb
    try:
        counted_gb = _count_memory_gb(order)
    except PlanError as problem:
        project.reporter.warn(f"Network {name}: {problem} Its memory is reckoned for a plain U-Net.")
        return planned_gb
    budget_gb = order.plan.budget.memory_gb.value
    if counted_gb > budget_gb:
        project.reporter.warn(
            f"Network {name} needs about {counted_gb:.2f} GB of memory, more than the {budget_gb:.2f} GB of the "
            "budget. Plan for less with --gpu-memory, or set a smaller batch_size."
        )
    return counted_gb


def _count_memory_gb(order: FoldOrder) -> float:
    """The largest peak of the parts of a training, on the device that the plan is for."""
    plan, settings = order.plan, order.settings
    n_inputs = settings.count_input_channels(len(plan.channels), plan.labels.n_labels)
    parts = [(step.patch_size, step.batch_size) for step in settings.patch_schedule.value]
    peaks = []
    for patch_size, batch_size in [*parts, (settings.patch_size.value, settings.batch_size.value)]:
        costs = measure_costs(
            lambda: build_network(settings, n_inputs, plan.labels.n_outputs),
            patch_size=patch_size,
            n_channels=n_inputs,
            batch_size=batch_size,
        )
        memory = forecast_training(
            costs,
            batch_size,
            settings.optimizer.value,
            patch_size=patch_size,
            n_channels=n_inputs,
            device=plan.budget.device.value,
            precision=settings.precision.value,
        )
        peaks.append(memory.total_gb)
    return max(peaks)


def tell_memory(project: Project, order: FoldOrder, predicted_gb: float) -> None:
    """Say what training held at its peak, beside what was predicted; warn where it is more, or beyond the budget."""
    measured_gb = max((epoch.memory_gb for epoch in read_history(order.run.history)), default=0.0)
    budget = order.plan.budget
    is_planned_device = choose_device(order.device).type == budget.device.value
    sentence, is_too_much = compare_memory(measured_gb, predicted_gb, budget.memory_gb.value)
    if is_too_much and is_planned_device:
        project.reporter.warn(sentence)
    else:
        project.reporter.say(sentence if is_planned_device else f"{sentence} The plan is for {budget.device.value}.")


def compare_memory(measured_gb: float, predicted_gb: float, budget_gb: float) -> tuple[str, bool]:
    """Measured peak memory beside the predicted one in words, and whether it is more than it should be."""
    sentence = f"Peak memory {measured_gb:.2f} GB, predicted {predicted_gb:.2f} GB"
    if measured_gb > budget_gb:
        beyond = f"more than the {budget_gb:.2f} GB of the budget. Plan for less with --gpu-memory"
        return f"{sentence}: {beyond}, or set a smaller batch_size.", True
    if measured_gb > MEMORY_SLACK * predicted_gb:
        return f"{sentence}: {measured_gb / predicted_gb - 1:.0%} more.", True
    return f"{sentence}.", False
