"""Does a plan hold together?

The schema checks each value alone; here stand the invariants across values. Every problem is named at once, with its
place and a remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from autoseg.errors import PlanError
from autoseg.planning import blueprint
from autoseg.planning.plan import Configuration, Plan, Transform
from autoseg.serialization import did_you_mean

AXES = "zyx"
MAX_SPLINE_ORDER = 3


def check_plan(plan: Plan, *, where: str) -> None:
    """Raise PlanError with every contradiction in a plan, one line each, behind the name of its file."""
    if problems := find_problems(plan):
        raise PlanError("\n".join(f"{where}: {problem}" for problem in problems))


def find_problems(plan: Plan) -> tuple[str, ...]:
    """Every contradiction in a plan, one sentence each; none if it holds together."""
    problems = [*_check_shared(plan)]
    axes = _name_axes(plan.axis_order.value)
    for name, configuration in plan.configurations.items():
        problems += (f"{name}.{problem}" for problem in _check_configuration(configuration, axes))
    return tuple(problems)


def _name_axes(axis_order: Sequence[int]) -> str:
    """The dataset's names of the axes in axis order; in the dataset's order where that is no order."""
    return "".join(AXES[axis] for axis in axis_order) if sorted(axis_order) == [0, 1, 2] else AXES


def _check_shared(plan: Plan) -> Iterator[str]:
    if sorted(plan.axis_order.value) != [0, 1, 2]:
        yield f"axis_order is {_show(plan.axis_order.value)}, but must be 0, 1 and 2 in some order, e.g. [0, 1, 2]."
    if not plan.configurations:
        yield "configurations is empty, so there is nothing to train. Plan again."
    if plan.n_folds.value < 2:
        yield f"n_folds is {plan.n_folds.value}, but a cross-validation needs at least 2."
    if plan.budget.memory_gb.value <= 0:
        yield f"budget.memory_gb is {plan.budget.memory_gb.value}, but must be positive."
    named = tuple(channel.channel for channel in plan.normalization)
    if named != plan.channels:
        yield f"normalization is for channels {_show(named)}, but the plan's channels are {_show(plan.channels)}."
    for channel in plan.normalization:
        place, scheme = f"normalization.{channel.channel}", channel.scheme.value
        yield from _check_name(f"{place}.scheme", scheme, blueprint.NORMALIZATION_SCHEMES)
        if scheme == "ct" and channel.intensities.value is None:
            yield (
                f"{place}.intensities is empty, but scheme ct needs the dataset's statistics. Set the scheme to "
                "zscore, or copy the channel's intensities from fingerprint.json."
            )


def _check_configuration(configuration: Configuration, axes: str) -> Iterator[str]:
    n_dimensions = configuration.n_dimensions
    if n_dimensions not in (2, 3):
        yield f"n_dimensions is {n_dimensions}, but must be 2 or 3."
        return
    lengths = [*_check_lengths(configuration)]
    yield from lengths
    if not lengths:
        yield from _check_patch(configuration, axes[-n_dimensions:])
    yield from _check_numbers(configuration)
    yield from _check_names(configuration)
    yield from _check_training(configuration)
    yield from _check_augmentation(configuration)


def _check_lengths(configuration: Configuration) -> Iterator[str]:
    """Along axes and along stages; the other checks rely on these."""
    topology, blocks = configuration.topology.value, configuration.blocks.value
    n_stages, n_dimensions = topology.n_stages, configuration.n_dimensions
    if n_stages < 2:
        yield f"topology.strides has {n_stages} stage(s), but a U-Net needs at least 2."
    per_axis: dict[str, Sequence[Any]] = {
        "spacing_mm": configuration.spacing_mm.value,
        "median_shape": configuration.median_shape.value,
        "patch_size": configuration.patch_size.value,
        **{f"topology.strides[{stage}]": strides for stage, strides in enumerate(topology.strides)},
        **{f"topology.kernel_sizes[{stage}]": kernel for stage, kernel in enumerate(topology.kernel_sizes)},
    }
    per_stage: dict[str, tuple[Sequence[Any], int]] = {
        "topology.kernel_sizes": (topology.kernel_sizes, n_stages),
        "features": (configuration.features.value, n_stages),
        "blocks.encoder": (blocks.encoder, n_stages),
        "blocks.decoder": (blocks.decoder, n_stages - 1),
    }
    for place, values in per_axis.items():
        if len(values) != n_dimensions:
            yield f"{place} has {len(values)} value(s), but the configuration has {n_dimensions} axes."
    for place, (values, wanted) in per_stage.items():
        if len(values) != wanted:
            yield f"{place} has {len(values)} value(s), but topology.strides has {n_stages} stages and needs {wanted}."


def _check_patch(configuration: Configuration, axes: str) -> Iterator[str]:
    topology, patch = configuration.topology.value, configuration.patch_size.value
    if min(map(min, topology.strides)) < 1:
        yield "topology.strides has a stride below 1. Use 1 where an axis keeps its size, or 2."
        return
    for axis, (size, divisor) in enumerate(zip(patch, topology.divisor, strict=True)):
        if size < 1 or size % divisor:
            yield (
                f"patch_size[{axis}] is {size}, but the strides along axis {axes[axis]} need a multiple of {divisor}. "
                f"Nearest: {_nearest_multiples(size, divisor)}."
            )
    if any(stride != 1 for stride in topology.strides[0]):
        yield f"topology.strides[0] is {_show(topology.strides[0])}, but the first stage has full resolution: write 1."
    for stage, kernel in enumerate(topology.kernel_sizes):
        if any(size < 1 or size % 2 == 0 for size in kernel):
            yield f"topology.kernel_sizes[{stage}] is {_show(kernel)}, but kernels are odd. Use 1 or 3."


def _nearest_multiples(size: int, divisor: int) -> str:
    below = size // divisor * divisor
    return f"{below} or {below + divisor}" if below > 0 else str(divisor)


def _check_numbers(configuration: Configuration) -> Iterator[str]:
    blocks, resampling = configuration.blocks.value, configuration.resampling.value
    if configuration.batch_size.value < 1:
        yield f"batch_size is {configuration.batch_size.value}, but must be at least 1."
    for place, values in (
        ("spacing_mm", configuration.spacing_mm.value),
        ("features", configuration.features.value),
        ("blocks.encoder", blocks.encoder),
        ("blocks.decoder", blocks.decoder),
    ):
        if any(value <= 0 for value in values):
            yield f"{place} is {_show(values)}, but all of them must be positive."
    if not 0 <= configuration.foreground_share.value <= 1:
        yield f"foreground_share is {configuration.foreground_share.value}, but is a share from 0 to 1."
    axes, all_axes = configuration.mirroring_axes.value, range(configuration.n_dimensions)
    if len(set(axes)) != len(axes) or any(axis not in all_axes for axis in axes):
        yield f"mirroring_axes is {_show(axes)}, but axes are {_show(all_axes)}, each once."
    if resampling.separate_axis is not None and resampling.separate_axis not in all_axes:
        yield f"resampling.separate_axis is {resampling.separate_axis}, but axes are {_show(all_axes)}."
    for place in ("image_order", "segmentation_order", "logits_order", "separate_order"):
        order = getattr(resampling, place)
        if not 0 <= order <= MAX_SPLINE_ORDER:
            yield f"resampling.{place} is {order}, but spline orders go from 0 to {MAX_SPLINE_ORDER}."


def _check_names(configuration: Configuration) -> Iterator[str]:
    optimizer = configuration.optimizer.value
    yield from _check_name("network", configuration.network.value, blueprint.NETWORKS)
    yield from _check_name("optimizer.name", optimizer.name, blueprint.OPTIMIZERS)
    yield from _check_name("optimizer.schedule", optimizer.schedule, blueprint.SCHEDULES)
    for term in configuration.loss.value.terms:
        yield from _check_name("loss.terms", term, blueprint.LOSS_TERMS)


def _check_training(configuration: Configuration) -> Iterator[str]:
    optimizer, length, terms = configuration.optimizer.value, configuration.length.value, configuration.loss.value.terms
    if not terms or any(weight < 0 for weight in terms.values()) or sum(terms.values()) <= 0:
        yield f"loss.terms is {terms}, but needs a term of positive weight, and none of negative."
    if optimizer.learning_rate <= 0:
        yield f"optimizer.learning_rate is {optimizer.learning_rate}, but must be positive."
    if optimizer.gradient_clip_norm <= 0:
        yield f"optimizer.gradient_clip_norm is {optimizer.gradient_clip_norm}, but must be positive."
    for place in ("momentum", "warmup_share", "ema_decay"):
        value = getattr(optimizer, place)
        if value is not None and not 0 <= value < 1:
            yield f"optimizer.{place} is {value}, but must be at least 0 and below 1."
    given = [value for value in (length.train_time_s, length.n_iterations) if value is not None]
    if len(given) != 1:
        yield "length needs either train_time_s or n_iterations, and not both."
    if any(value <= 0 for value in given) or (length.iterations_per_epoch or 1) < 1:
        yield "length must be positive."


def _check_augmentation(configuration: Configuration) -> Iterator[str]:
    augmentation = configuration.augmentation.value
    for name in type(augmentation).model_fields:
        transform = getattr(augmentation, name)
        if not isinstance(transform, Transform):
            continue
        if not (0 <= transform.probability <= 1 and 0 <= transform.probability_per_channel <= 1):
            yield f"augmentation.{name}: a probability is outside of 0 to 1."
        if transform.range is not None and transform.range[0] > transform.range[1]:
            yield f"augmentation.{name}.range is {_show(transform.range)}, but the lower end comes first."


def _check_name(place: str, name: str, known: Sequence[str]) -> Iterator[str]:
    if name not in known:
        yield f"{place}: {name} is not known.{did_you_mean(name, known)}"


def _show(values: Sequence[Any]) -> str:
    return f"[{', '.join(map(str, values))}]"
