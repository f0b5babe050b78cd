"""What a person should know of a training that went otherwise than planned: its precision, its memory."""

from __future__ import annotations

from autoseg.networks.device import choose_device, find_mixed_type
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.project import Project
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


def tell_memory(project: Project, order: FoldOrder) -> None:
    """Say what training held at its peak, beside what was predicted; warn where it is more, or beyond the budget."""
    measured_gb = max((epoch.memory_gb for epoch in read_history(order.run.history)), default=0.0)
    budget = order.plan.budget
    is_planned_device = choose_device(order.device).type == budget.device.value
    sentence, is_too_much = compare_memory(measured_gb, order.settings.memory_gb.value, budget.memory_gb.value)
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
