"""Does one configuration hold together?

Lengths along axes and stages, a patch that the strides divide, numbers within their ranges, forecasts that are
possible; how it is trained is `recipe`'s. Every problem is named at once, with its key and a remedy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoseg.fingerprinting.fingerprint import SPACING_RANGE_MM, is_spacing
from autoseg.planning.plan import FORECASTS, Configuration
from autoseg.planning.problems import Problem, is_positive, show
from autoseg.planning.recipe import check_patch_schedule, check_recipe

AXES = "zyx"
MAX_SPLINE_ORDER = 3


def check_configuration(configuration: Configuration, axes: str) -> Iterator[Problem]:
    """Every contradiction within a configuration; keys are those inside of it.

    Args:
        axes: the names of the three axes in axis order.
    """
    alone = [*check_values(configuration)]
    yield from alone
    if configuration.n_dimensions not in (2, 3):
        return
    lengths = [*_check_stages(configuration)]
    yield from lengths
    if not lengths and not any(key.startswith(("topology", "patch_size")) for key, _ in alone):
        yield from _check_multiples(configuration, axes[-configuration.n_dimensions :])
        yield from check_patch_schedule(configuration)


def check_values(configuration: Configuration) -> Iterator[Problem]:
    """What is wrong with each choice by itself, whatever the others are."""
    n_dimensions = configuration.n_dimensions
    if n_dimensions not in (2, 3):
        yield Problem("n_dimensions", f"is {n_dimensions}, but must be 2 or 3.")
        return
    for place, values in _list_per_axis(configuration).items():
        if len(values) != n_dimensions:
            yield Problem(place, f"has {len(values)} value(s), but the configuration has {n_dimensions} axes.")
    yield from _check_topology(configuration)
    yield from _check_numbers(configuration)
    yield from _check_axes(configuration)
    yield from check_recipe(configuration)
    yield from _check_forecasts(configuration)


def _check_stages(configuration: Configuration) -> Iterator[Problem]:
    """Values with one entry per stage have as many as there are stages."""
    n_stages = configuration.topology.value.n_stages
    for place, (values, wanted) in _list_per_stage(configuration).items():
        if len(values) != wanted:
            yield Problem(
                place, f"has {len(values)} value(s), but topology.strides has {n_stages} stages and needs {wanted}."
            )


def _list_per_axis(configuration: Configuration) -> Mapping[str, Sequence[Any]]:
    topology = configuration.topology.value
    return {
        "spacing_mm": configuration.spacing_mm.value,
        "median_shape": configuration.median_shape.value,
        "patch_size": configuration.patch_size.value,
        **{f"topology.strides[{stage}]": strides for stage, strides in enumerate(topology.strides)},
        **{f"topology.kernel_sizes[{stage}]": kernel for stage, kernel in enumerate(topology.kernel_sizes)},
    }


def _list_per_stage(configuration: Configuration) -> Mapping[str, tuple[Sequence[Any], int]]:
    """Values with one entry per stage, and how many that is."""
    topology, blocks = configuration.topology.value, configuration.blocks.value
    return {
        "features": (configuration.features.value, topology.n_stages),
        "blocks.encoder": (blocks.encoder, topology.n_stages),
        "blocks.decoder": (blocks.decoder, topology.n_stages - 1),
    }


def _check_topology(configuration: Configuration) -> Iterator[Problem]:
    topology = configuration.topology.value
    n_stages, n_kernels = topology.n_stages, len(topology.kernel_sizes)
    if n_stages < 1:
        yield Problem("topology.strides", "has no stage. Give one list of strides per stage, the first of ones.")
    if n_kernels != n_stages:
        yield Problem("topology.kernel_sizes", f"has {n_kernels} value(s), but topology.strides has {n_stages} stages.")
    if any(stride < 1 for strides in topology.strides for stride in strides):
        yield Problem("topology.strides", "has a stride below 1. Use 1 where an axis keeps its size, or 2.")
    if any(stride != 1 for strides in topology.strides[:1] for stride in strides):
        first = show(topology.strides[0])
        yield Problem("topology.strides[0]", f"is {first}, but the first stage has full resolution: write 1.")
    for stage, kernel in enumerate(topology.kernel_sizes):
        if any(size < 1 or size % 2 == 0 for size in kernel):
            yield Problem(f"topology.kernel_sizes[{stage}]", f"is {show(kernel)}, but kernels are odd. Use 1 or 3.")


def _check_multiples(configuration: Configuration, axes: str) -> Iterator[Problem]:
    """A patch can be halved as often as the strides say."""
    topology, patch = configuration.topology.value, configuration.patch_size.value
    for axis, (size, divisor) in enumerate(zip(patch, topology.divisor, strict=True)):
        if size % divisor:
            yield Problem(
                f"patch_size[{axis}]",
                f"is {size}, but the strides along axis {axes[axis]} need a multiple of {divisor}. "
                f"Nearest: {_nearest_multiples(size, divisor)}.",
            )


def _nearest_multiples(size: int, divisor: int) -> str:
    below = size // divisor * divisor
    return f"{below} or {below + divisor}" if below > 0 else str(divisor)


def _check_numbers(configuration: Configuration) -> Iterator[Problem]:
    blocks, batch_size = configuration.blocks.value, configuration.batch_size.value
    if batch_size < 1:
        yield Problem("batch_size", f"is {batch_size}, but must be at least 1.")
    for place, values in (
        ("spacing_mm", configuration.spacing_mm.value),
        ("median_shape", configuration.median_shape.value),
        ("patch_size", configuration.patch_size.value),
        ("features", configuration.features.value),
        ("blocks.encoder", blocks.encoder),
        ("blocks.decoder", blocks.decoder),
    ):
        if not all(map(is_positive, values)):
            yield Problem(place, f"is {show(values)}, but all of them must be positive.")
        elif place == "spacing_mm" and not all(map(is_spacing, values)):
            low, high = SPACING_RANGE_MM
            yield Problem(place, f"is {show(values)}, but lies between {low:g} and {high:g} mm.")


def _check_axes(configuration: Configuration) -> Iterator[Problem]:
    resampling, axes = configuration.resampling.value, configuration.mirroring_axes.value
    all_axes = range(configuration.n_dimensions)
    if len(set(axes)) != len(axes) or any(axis not in all_axes for axis in axes):
        yield Problem("mirroring_axes", f"is {show(axes)}, but axes are {show(all_axes)}, each once.")
    if resampling.separate_axis is not None and resampling.separate_axis not in all_axes:
        yield Problem("resampling.separate_axis", f"is {resampling.separate_axis}, but axes are {show(all_axes)}.")
    for place in ("image_order", "segmentation_order", "logits_order", "separate_order"):
        order = getattr(resampling, place)
        if not 0 <= order <= MAX_SPLINE_ORDER:
            yield Problem(f"resampling.{place}", f"is {order}, but spline orders go from 0 to {MAX_SPLINE_ORDER}.")


def _check_forecasts(configuration: Configuration) -> Iterator[Problem]:
    for name in FORECASTS:
        value = getattr(configuration, name).value
        if value is not None and not 0 <= value < math.inf:
            yield Problem(name, f"is {value:g}, but a cost is not negative. It is a forecast: plan again.")
    case = configuration.prediction_memory_gb.inputs.get("median_case", [1, 1, 1])
    if not isinstance(case, list | tuple) or len(case) != 3 or not all(_is_count(size) for size in case):
        yield Problem("prediction_memory_gb.inputs.median_case", f"is {case}, but must be the voxels of three axes.")
    voxels = configuration.disk_gb.inputs.get("voxels", 1)
    if not _is_count(voxels):
        yield Problem("disk_gb.inputs.voxels", f"is {voxels}, but must be a number of voxels.")
    counted_at = configuration.disk_gb.inputs.get("spacing_mm")
    if counted_at is not None and not _is_grid(counted_at, configuration.n_dimensions):
        yield Problem("disk_gb.inputs.spacing_mm", f"is {counted_at}, but must be mm along each axis. Plan again.")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_grid(value: Any, n_axes: int) -> bool:
    is_list = isinstance(value, list | tuple) and len(value) == n_axes
    return is_list and all(isinstance(length, int | float) and is_spacing(length) for length in value)
