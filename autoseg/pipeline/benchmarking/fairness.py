"""What is equal for all methods, by construction, and which sentences say so?

A method replaces the network of the plan and nothing else. What would make trainings of unequal speed unequal in other
ways is switched off for all: early stopping, and smaller patches in the beginning, whose place in a training of a given
time would depend on the speed of the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoseg.data.splits import Split
from autoseg.decision import Decision, fixed
from autoseg.pipeline.benchmarking.terms import LearningRate, Terms
from autoseg.planning.forecasting import forecast_again
from autoseg.planning.plan import Configuration, Plan, values_only
from autoseg.planning.planner import replace_network
from autoseg.serialization import to_plain

TRIAL_FACTORS = (0.1, 0.3, 1.0, 3.0)  # times the plan's learning rate; few, for each is a training
TRIAL_SHARE = 0.05  # of the budget, for each trial: the rest is left for the training itself
WHY_OFF = "off in a comparison, so that every method spends the same"


def level_plan(plan: Plan, configuration: str, learning_rate: LearningRate) -> Plan:
    """The plan that all methods share, but for their networks; its forecasts follow from it."""
    settings = plan.find_configuration(configuration)
    changes: dict[str, Decision[Any]] = {}
    if settings.early_stopping.value is not None:
        changes["early_stopping"] = fixed(None, WHY_OFF)
    if settings.patch_schedule.value:
        changes["patch_schedule"] = fixed((), WHY_OFF)
    changed = plan.model_copy(
        update={"configurations": {**plan.configurations, configuration: settings.model_copy(update=changes)}}
    )
    changed = forecast_again(changed)
    return changed if isinstance(learning_rate, str) else set_rate(changed, configuration, learning_rate)


def set_rate(plan: Plan, configuration: str, rate: float) -> Plan:
    """The plan with another learning rate."""
    settings = plan.find_configuration(configuration)
    optimizer = settings.optimizer.value.model_copy(update={"learning_rate": rate})
    decision = Decision(value=optimizer, reason="learning rate asked for in a comparison", source="user")
    changed = settings.model_copy(update={"optimizer": decision})
    return plan.model_copy(update={"configurations": {**plan.configurations, configuration: changed}})


def plan_method(plan: Plan, configuration: str, network: str) -> Plan:
    """The shared plan with the network of a method; blocks that a person set hold for the plan's own network.

    Raises:
        UsageError: the network is not known.
    """
    return replace_network(plan, configuration, network)


def list_trial_rates(settings: Configuration) -> tuple[float, ...]:
    """Learning rates that a search tries, ascending."""
    base = settings.optimizer.value.learning_rate
    return tuple(float(f"{base * factor:.6g}") for factor in TRIAL_FACTORS)


def phrase_learning_rate(settings: Configuration, learning_rate: LearningRate) -> str:
    """How the learning rate was chosen, in words."""
    rate = settings.optimizer.value.learning_rate
    if learning_rate == "search":
        rates = ", ".join(f"{one:g}" for one in list_trial_rates(settings))
        n_trials = len(TRIAL_FACTORS)
        return (
            f"searched for every method with the same {n_trials} trials ({rates}), each with {TRIAL_SHARE:.0%} of the "
            f"budget, scored on training cases of the fold that they do not train on; the remaining "
            f"{1 - n_trials * TRIAL_SHARE:.0%} of the budget train with the best"
        )
    who = "the plan's" if learning_rate == "fixed" else "asked for"
    return f"{rate:g} for all methods ({who})"


def phrase_equal(
    plan: Plan,
    configuration: str,
    terms: Terms,
    splits: dict[int, Split],
    n_jobs: int,
    *,
    outside: Sequence[str] = (),
    n_heads: Mapping[str, int] | None = None,
) -> list[str]:
    """What was equal for all methods, one sentence each, and what nobody here can know.

    Args:
        plan: that all share.
        splits: of the folds that are compared.
        n_jobs: runs that went side by side.
        outside: names of the predictions from elsewhere.
        n_heads: outputs that are supervised, by method, of those where it is known.
    """
    settings = plan.find_configuration(configuration)
    n_validation = sum(len(split.validation) for split in splits.values())
    folds = ", ".join(map(str, splits))
    shape = "x".join(map(str, settings.patch_size.value))
    return [
        f"Cases: all methods are scored on the same {n_validation} validation cases (fold {folds}). Those trained here "
        "learned from the same training cases, and from none of these.",
        *([_phrase_outside(outside)] if outside else []),
        f"Data: all networks see the same preprocessed images, in batches of {settings.batch_size.value} patches of "
        f"{shape} voxels.",
        "Patches: a batch follows from the seed, the fold and its number alone, so that all networks see the same "
        "patches in the same order, as far as their budget reaches.",
        f"Augmentation: the same for all, and drawn by the same random numbers; {_phrase_augmentation(settings)}.",
        f"Loss: {_phrase_loss(settings, n_heads or {})}.",
        f"Optimiser: {settings.optimizer.value.name} with the {settings.optimizer.value.schedule} schedule; learning "
        f"rate {phrase_learning_rate(settings, terms.learning_rate)}.",
        f"Budget: {terms.budget.words} for each method that trains, fold and seed.{_phrase_budget(terms, n_jobs)}",
        f"Seeds: {', '.join(map(str, terms.seeds))}, of weights and batches; runs take turns, method by method, so "
        "that a busy hour of the machine meets all of them.",
        "Neither early stopping nor smaller patches in the beginning, for any method.",
        "Prediction: windows half a patch apart, and all mirror images that the plan allows, averaged.",
        "Evaluation: one program for all, on the original grid of each case; a missing prediction is a miss.",
    ]


def _phrase_outside(names: Sequence[str]) -> str:
    return (
        f"From elsewhere: {', '.join(names)}. autoseg cannot know what these learned from, nor with which budget; if "
        "it was from the validation cases, their scores say nothing of new ones."
    )


def _phrase_budget(terms: Terms, n_jobs: int) -> str:
    sentence = ""
    if terms.budget.kind == "time":
        sentence = (
            " It is wall-clock time of training iterations. What does not count: planning, preprocessing, the first "
            "iteration of a sitting (it waits for the first batch, and may compile), looks at validation patches, "
            "saving, prediction and scoring."
        )
    if terms.budget.kind == "flops":
        sentence = " A training step counts as three forward passes."
    if n_jobs > 1:
        sentence += f" {n_jobs} runs went side by side with equal shares of the cores"
        sentence += ", so that a second of training is less than on an idle machine, for all alike." * (
            terms.budget.kind == "time"
        )
    return sentence if sentence.endswith(".") or not sentence else f"{sentence}."


def _phrase_loss(settings: Configuration, n_heads: Mapping[str, int]) -> str:
    loss = settings.loss.value
    batch = "over the batch" if settings.batch_dice.value else "over each sample"
    counts = ", ".join(f"{name} {n}" for name, n in n_heads.items())
    deep = "; networks with several outputs are supervised at all of them" if loss.deep_supervision else ""
    deep += f" ({counts})" if deep and counts else ""
    return f"{' + '.join(loss.terms)} for all, Dice {batch}{deep}"


def _phrase_augmentation(settings: Configuration) -> str:
    axes = "zyx"[-len(settings.patch_size.value) :]
    flipped = [axes[axis] for axis in settings.mirroring_axes.value]
    return f"mirrored along {', '.join(flipped) or 'no axis'}, the rest as the plan has it"


def list_settings(settings: Configuration) -> dict[str, Any]:
    """A configuration's values by key, without reasons."""
    listed: dict[str, Any] = to_plain(values_only(settings))
    return listed


def list_differing(of_all: dict[str, dict[str, Any]], keys_left_out: tuple[str, ...]) -> tuple[str, ...]:
    """Keys whose values are not the same for all methods."""
    keys = [key for settings in of_all.values() for key in settings]
    return tuple(
        key
        for key in dict.fromkeys(keys)
        if key not in keys_left_out and len({repr(settings.get(key)) for settings in of_all.values()}) > 1
    )
