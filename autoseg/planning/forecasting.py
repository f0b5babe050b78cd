"""What will a configuration cost: memory, seconds, hours, disk?

Forecasts follow from the values that stand in the plan, so that they can be made again after an edit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from autoseg.decision import Decision, ruled
from autoseg.planning.choices import Length, Optimizer, PatchStep
from autoseg.planning.layers import SKETCHED, NetworkSketch
from autoseg.planning.memory import count_parameters, estimate_prediction_memory, estimate_training_memory
from autoseg.planning.plan import Budget, Configuration, Cost, Plan
from autoseg.planning.rules.precision import Precision
from autoseg.planning.rules.training_length import count_iterations
from autoseg.planning.throughput import predict_iteration_s

BYTES_PER_VALUE = 4  # float32 images
FEW_LABELS = 128  # up to here a stored segmentation takes one byte per voxel, beyond two
OWN_NETWORK = (
    "reckoned for a plain U-Net of this plan's stages; training forecasts this network itself before it begins"
)
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Work:
    """What a training computes: its network, and the values of its plan that memory and time follow from.

    Attributes:
        schedule: smaller patches in earlier parts of it.
    """

    sketch: NetworkSketch
    patch_size: tuple[int, ...]
    batch_size: int
    optimizer: Optimizer
    precision: Precision
    length: Length
    schedule: tuple[PatchStep, ...] = ()

    @property
    def batches(self) -> tuple[tuple[float, tuple[int, ...], int], ...]:
        """What its parts see: share of the training, patch and batch."""
        begins = [0.0, *(step.until_share for step in self.schedule)]
        ends = [*begins[1:], 1.0]
        sizes = [(step.patch_size, step.batch_size) for step in self.schedule]
        sizes.append((self.patch_size, self.batch_size))
        return tuple((end - begin, *size) for begin, end, size in zip(begins, ends, sizes, strict=True))


@dataclass(frozen=True)
class Images:
    """What is stored and predicted.

    Attributes:
        n_channels: of an image.
        median_volume: voxels of the median case on the network grid, along three axes.
        stored_voxels: voxels of all preprocessed cases.
        spacing_mm: of the grid that both were counted on; empty where nobody knows, so that another cannot be told.
    """

    n_channels: int
    median_volume: tuple[int, ...]
    stored_voxels: int
    spacing_mm: tuple[float, ...] = ()

    def at(self, spacing_mm: tuple[float, ...]) -> Images:
        """The same images on another grid; rounding of single cases is not known, so stored voxels are about right."""
        if not self.spacing_mm or spacing_mm == self.spacing_mm:
            return self
        ratios = [old / new for old, new in zip(self.spacing_mm, spacing_mm, strict=True)]
        per_axis = [*[1.0] * (len(self.median_volume) - len(ratios)), *ratios]
        volume = (max(round(size * ratio), 1) for size, ratio in zip(self.median_volume, per_axis, strict=True))
        stored = max(round(self.stored_voxels * math.prod(ratios)), 1)
        return replace(self, median_volume=tuple(volume), stored_voxels=stored, spacing_mm=spacing_mm)


def sketch_configuration(
    configuration: Configuration, *, n_channels: int, n_labels: int, n_outputs: int | None = None
) -> NetworkSketch:
    """The network of a configuration, as memory and time are reckoned from it; its outputs are labels or regions."""
    return NetworkSketch(
        network=configuration.network.value,
        topology=configuration.topology.value,
        features=configuration.features.value,
        blocks=configuration.blocks.value,
        n_channels=configuration.count_input_channels(n_channels, n_labels),
        n_labels=n_labels if n_outputs is None else n_outputs,
        deep_supervision=configuration.loss.value.deep_supervision,
        dropout=configuration.dropout.value,
    )


def forecast_again(plan: Plan) -> Plan:
    """The same plan with forecasts that follow from its values as they stand, the spacing included."""
    configurations = {name: _forecast_configuration(plan, one) for name, one in plan.configurations.items()}
    renewed = plan.model_copy(update={"configurations": configurations})
    return renewed.model_copy(update={"cost": sum_costs(renewed)})


def _forecast_configuration(plan: Plan, configuration: Configuration) -> Configuration:
    work = Work(
        sketch=sketch_configuration(
            configuration,
            n_channels=len(plan.channels),
            n_labels=plan.labels.n_labels,
            n_outputs=plan.labels.n_outputs,
        ),
        patch_size=configuration.patch_size.value,
        batch_size=configuration.batch_size.value,
        optimizer=configuration.optimizer.value,
        precision=configuration.precision.value,
        length=configuration.length.value,
        schedule=configuration.patch_schedule.value,
    )
    images = Images(
        n_channels=len(plan.channels),
        median_volume=tuple(configuration.prediction_memory_gb.inputs.get("median_case", (1, 1, 1))),
        stored_voxels=configuration.disk_gb.inputs.get("voxels", 0),
        spacing_mm=tuple(configuration.disk_gb.inputs.get("spacing_mm", ())),
    ).at(configuration.spacing_mm.value)
    forecasts = forecast(work, images, plan.budget, n_folds=plan.n_folds.value)
    return configuration.model_copy(update=forecasts)


def forecast(work: Work, images: Images, budget: Budget, *, n_folds: int) -> dict[str, Decision[Any]]:
    """All forecasts of a configuration, by the name of their field."""
    iteration = _forecast_iteration(work, budget)
    return {
        "memory_gb": _qualify(_forecast_training(work, budget), work),
        "prediction_memory_gb": _qualify(_forecast_prediction(work, images, budget, n_folds), work),
        "iteration_s": _qualify(iteration, work),
        "fold_hours": _forecast_hours(work.length, iteration.value),
        "disk_gb": _forecast_disk(images, work.sketch.n_labels),
    }


def _qualify(forecast: Decision[Any], work: Work) -> Decision[Any]:
    """What was reckoned for another network says so."""
    if forecast.value is None or work.sketch.network in SKETCHED:
        return forecast
    return forecast.model_copy(update={"reason": f"{forecast.reason}; {OWN_NETWORK}"})


def _forecast_iteration(work: Work, budget: Budget) -> Decision[float | None]:
    """Seconds of one iteration, on average over the patch schedule if there is one."""
    whole = predict_iteration(work.sketch, work.patch_size, work.batch_size, budget)
    if whole.value is None or not work.schedule:
        return whole
    speeds = budget.speeds.value
    parts = [
        (share, predict_iteration_s(work.sketch, patch_size, batch_size, speeds=speeds) or whole.value)
        for share, patch_size, batch_size in work.batches
    ]
    if work.length.train_time_s is None:
        seconds = sum(share * part_s for share, part_s in parts)
    else:  # shares of the time, not of the iterations
        seconds = 1 / sum(share / part_s for share, part_s in parts)
    return ruled(float(f"{seconds:.3g}"), f"mean over the patch schedule; {whole.value:g} with the whole patch")


def predict_iteration(
    sketch: NetworkSketch, patch_size: tuple[int, ...], batch_size: int, budget: Budget
) -> Decision[float | None]:
    """Seconds of one iteration of training."""
    speeds = budget.speeds.value
    seconds = predict_iteration_s(sketch, patch_size, batch_size, speeds=speeds)
    if seconds is None:
        return ruled(None, "the speed of this device is not known; `autoseg probe` measures it")
    speed = speeds[f"{len(patch_size)}d"]
    reason = f"{speed.gflops:.3g} billion operations, or {speed.gvalues:.3g} billion values written, per second"
    return ruled(float(f"{seconds:.3g}"), reason)


def sum_costs(plan: Plan) -> Cost:
    """What all configurations cost; preprocessed data that two of them share counts once."""
    hours = [configuration.fold_hours.value for configuration in plan.configurations.values()]
    known = [value for value in hours if value is not None]
    n_folds, n = plan.n_folds.value, len(plan.configurations)
    total = round(sum(known) * n_folds, 2) if len(known) == len(hours) else None
    reason = f"{n_folds} folds of {n} configuration(s) one by one; `autoseg train` takes the first choice alone"
    if total is None:
        reason = "the speed of this device is not known"
    stores = {plan.preprocessing_digest(name): one.disk_gb.value for name, one in plan.configurations.items()}
    shared = f", {n - len(stores)} shared" if len(stores) < n else ""
    disk = f"preprocessed cases of {n} configuration(s){shared}, uncompressed"
    return Cost(
        hours=ruled(total, reason),
        disk_gb=ruled(round(sum(stores.values()), 3), disk),
    )


def _forecast_training(work: Work, budget: Budget) -> Decision[float]:
    device, precision = budget.device.value, work.precision
    memories = [
        estimate_training_memory(work.sketch, patch, batch, work.optimizer, device=device, precision=precision)
        for _, patch, batch in work.batches
    ]
    memory = max(memories, key=lambda each: each.total_gb)
    limit = budget.memory_gb.value
    sentence = f"predicted peak of training, of {limit:g} GB that it may use"
    if memory.total_gb > limit:
        sentence = f"WARNING: predicted peak of training, more than the {limit:g} GB that it may use"
    inputs = {"n_parameters": count_parameters(work.sketch), **memory.in_mb()}
    return ruled(round(memory.total_gb, 2), sentence, **inputs)


def _forecast_prediction(work: Work, images: Images, budget: Budget, n_folds: int) -> Decision[float]:
    memory = estimate_prediction_memory(
        work.sketch,
        work.patch_size,
        images.median_volume,
        n_networks=n_folds,
        device=budget.device.value,
    )
    sentence = f"predicted peak of predicting the median case with {n_folds} folds"
    inputs: dict[str, Any] = {"median_case": list(images.median_volume), **memory.in_mb()}
    return ruled(round(memory.total_gb, 2), sentence, **inputs)


def _forecast_hours(length: Length, iteration_s: float | None) -> Decision[float | None]:
    if length.train_time_s is not None:
        about = "" if iteration_s is None else f", about {count_iterations(length, iteration_s):,} iterations"
        return ruled(_in_hours(length.train_time_s), f"the time that was set{about}; validation comes on top")
    if iteration_s is None:
        return ruled(None, "the speed of this device is not known; `autoseg probe` measures it")
    n_iterations = count_iterations(length, iteration_s)
    reason = f"{n_iterations:,} iterations of {iteration_s:.3g} s; validation comes on top"
    return ruled(_in_hours(n_iterations * iteration_s), reason)


def _in_hours(seconds: float) -> float:
    return float(f"{seconds / SECONDS_PER_HOUR:.3g}")


def _forecast_disk(images: Images, n_labels: int) -> Decision[float]:
    stored_bytes = count_stored_bytes(images.stored_voxels, images.n_channels, n_labels)
    sentence = "preprocessed cases before compression, which saves some"
    inputs: dict[str, Any] = {"voxels": images.stored_voxels}
    if images.spacing_mm:
        inputs["spacing_mm"] = list(images.spacing_mm)
    return ruled(round(stored_bytes / 1e9, 3), sentence, **inputs)


def count_stored_bytes(voxels: int, n_channels: int, n_labels: int) -> int:
    """Bytes of preprocessed cases before compression: float32 channels, a segmentation of one or two bytes."""
    return voxels * (BYTES_PER_VALUE * n_channels + (1 if n_labels <= FEW_LABELS else 2))
