"""Does the way a configuration is trained hold together?

Names that mean something, or are dotted paths of a person's own; numbers within their ranges; parameters that belong to
what they are given for; a patch schedule that leads up to the patch. Every problem with its key and a remedy.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from autoseg.components import is_dotted
from autoseg.planning import blueprint
from autoseg.planning.choices import Optimizer, PatchStep
from autoseg.planning.naming import LOSS_TERMS, OPTIMIZERS, Named
from autoseg.planning.network_names import find_fault
from autoseg.planning.plan import Configuration
from autoseg.planning.problems import (
    Problem,
    check_component,
    check_dotted,
    check_name,
    check_range,
    is_positive,
    show,
)
from autoseg.planning.transforms import check_augmentation, check_transforms
from autoseg.serialization import did_you_mean

USUAL_MOMENTUM = Optimizer.model_fields["momentum"].default


def check_recipe(configuration: Configuration) -> Iterator[Problem]:
    """What is wrong with each choice of a training by itself, whatever the others are."""
    yield from _check_names(configuration)
    yield from _check_loss(configuration)
    yield from _check_optimizer(configuration)
    yield from _check_length(configuration)
    yield from _check_shares(configuration)
    yield from _check_early_stopping(configuration)
    yield from check_augmentation("augmentation", configuration.augmentation.value)
    if configuration.cascade is not None:
        yield from check_transforms("cascade.corruption", configuration.cascade.corruption.value)
    yield from _check_steps(configuration)


def _check_names(configuration: Configuration) -> Iterator[Problem]:
    optimizer = configuration.optimizer.value
    yield from _check_network(configuration.network.value)
    yield from check_component("optimizer.name", optimizer.name, blueprint.OPTIMIZERS)
    yield from check_component("optimizer.schedule", optimizer.schedule, blueprint.SCHEDULES)
    for term in configuration.loss.value.terms:
        yield from check_component("loss.terms", term, blueprint.LOSS_TERMS)
    yield from check_name("case_sampling", configuration.case_sampling.value, blueprint.CASE_SAMPLINGS)
    for index, path in enumerate(configuration.augmentation.value.custom):
        yield from check_dotted(f"augmentation.custom[{index}]", path)


def _check_network(name: str) -> Iterator[Problem]:
    if is_dotted(name):
        yield from check_dotted("network", name)
    elif fault := find_fault(name):
        yield Problem("network", f"is {name}, which {fault} One of your own is written package.module:Name.")


def _check_loss(configuration: Configuration) -> Iterator[Problem]:
    loss = configuration.loss.value
    weights = loss.terms.values()
    if any(not weight >= 0 for weight in weights) or not is_positive(sum(weights)):
        yield Problem("loss.terms", f"is {loss.terms}, but needs a term of positive weight, and none of negative.")
    for term, parameters in loss.parameters.items():
        place = f"loss.parameters.{term}"
        if term not in loss.terms:
            near = did_you_mean(term, loss.terms)
            yield Problem(place, f"is given, but {term} is no term of this loss.{near} Add it to loss.terms, too.")
        elif term in LOSS_TERMS:
            yield from _check_parameters(place, parameters, LOSS_TERMS[term])


def _check_optimizer(configuration: Configuration) -> Iterator[Problem]:
    optimizer = configuration.optimizer.value
    if not is_positive(optimizer.learning_rate):
        yield Problem("optimizer.learning_rate", f"is {optimizer.learning_rate}, but must be positive.")
    norm = optimizer.gradient_clip_norm
    if norm is not None and not is_positive(norm):
        sentence = f"is {norm}, but must be positive, or null to clip nothing."
        yield Problem("optimizer.gradient_clip_norm", sentence)
    if not 0 <= optimizer.weight_decay < math.inf:
        yield Problem("optimizer.weight_decay", f"is {optimizer.weight_decay}, but must not be negative.")
    for place in ("momentum", "warmup_share"):
        if not 0 <= (value := getattr(optimizer, place)) < 1:
            yield Problem(f"optimizer.{place}", f"is {value}, but must be at least 0 and below 1.")
    decay = optimizer.ema_decay
    if decay is not None and not 0 < decay < 1:
        yield Problem("optimizer.ema_decay", f"is {decay}, but must be between 0 and 1, or null for no average.")
    if optimizer.name in OPTIMIZERS and optimizer.name != "sgd" and USUAL_MOMENTUM != optimizer.momentum < 1:
        sentence = f"is {optimizer.momentum}, but {optimizer.name} has none. Its optimizer.parameters may say betas."
        yield Problem("optimizer.momentum", sentence)
    if optimizer.name in OPTIMIZERS:
        yield from _check_parameters("optimizer.parameters", optimizer.parameters, OPTIMIZERS[optimizer.name])


def _check_parameters(place: str, given: Mapping[str, Any], named: Named) -> Iterator[Problem]:
    """Parameters that a name does not take, or numbers out of their range."""
    for name, value in given.items():
        if name not in named.parameters:
            near = did_you_mean(name, named.parameters) if named.parameters else " It takes none."
            yield Problem(f"{place}.{name}", f"is given, but {named.name} has no parameter of that name.{near}")
        elif sentence := named.parameters[name].find_fault(value):
            yield Problem(f"{place}.{name}", sentence)


def _check_length(configuration: Configuration) -> Iterator[Problem]:
    length = configuration.length.value
    given = [value for value in (length.train_time_s, length.n_iterations) if value is not None]
    if len(given) != 1:
        yield Problem("length", "needs either train_time_s or n_iterations, and not both.")
    if not all(map(is_positive, given)) or (length.iterations_per_epoch or 1) < 1:
        yield Problem("length", "must be positive.")


def _check_shares(configuration: Configuration) -> Iterator[Problem]:
    yield from check_range("foreground_share", configuration.foreground_share.value, 0, 1, "is a share from 0 to 1")
    if not 0 <= (dropout := configuration.dropout.value) < 1:
        yield Problem("dropout", f"is {dropout:g}, but must be at least 0 and below 1: a share of feature maps.")


def _check_early_stopping(configuration: Configuration) -> Iterator[Problem]:
    stopping = configuration.early_stopping.value
    if stopping is None:
        return
    for place in ("check_every", "patience"):
        if (value := getattr(stopping, place)) < 1:
            yield Problem(f"early_stopping.{place}", f"is {value}, but must be at least 1; null never stops early.")
    if not 0 <= stopping.min_gain < 1:
        yield Problem("early_stopping.min_gain", f"is {stopping.min_gain:g}, but a gain of Dice is from 0 to below 1.")


def _check_steps(configuration: Configuration) -> Iterator[Problem]:
    """Each step of the patch schedule by itself, and the order of their ends."""
    steps = configuration.patch_schedule.value
    ends = [step.until_share for step in steps]
    if any(not 0 < end < 1 for end in ends) or any(late <= early for early, late in itertools.pairwise(ends)):
        sentence = f"ends its steps at {show(ends)} of the training, but must rise, above 0 and below 1."
        yield Problem("patch_schedule", sentence)
    for index, step in enumerate(steps):
        place = f"patch_schedule[{index}]"
        if step.batch_size < 1:
            yield Problem(f"{place}.batch_size", f"is {step.batch_size}, but must be at least 1.")
        if len(step.patch_size) != configuration.n_dimensions:
            n_sizes, n_axes = len(step.patch_size), configuration.n_dimensions
            yield Problem(f"{place}.patch_size", f"has {n_sizes} value(s), but the configuration has {n_axes} axes.")


def check_patch_schedule(configuration: Configuration) -> Iterator[Problem]:
    """Whether the patches of a schedule suit the network and the patch that they lead up to."""
    for index, step in enumerate(configuration.patch_schedule.value):
        if len(step.patch_size) == configuration.n_dimensions:
            yield from _check_step(f"patch_schedule[{index}].patch_size", step, configuration)


def _check_step(place: str, step: PatchStep, configuration: Configuration) -> Iterator[Problem]:
    whole, divisor = configuration.patch_size.value, configuration.topology.value.divisor
    size = step.patch_size
    if not all(map(is_positive, size)) or any(part % unit for part, unit in zip(size, divisor, strict=True)):
        yield Problem(place, f"is {show(size)}, but the strides need multiples of {show(divisor)}.")
    if any(part > most for part, most in zip(size, whole, strict=True)):
        sentence = f"is {show(size)}, which is larger than the patch_size {show(whole)} that it leads up to."
        yield Problem(place, f"{sentence} Use smaller patches.")
