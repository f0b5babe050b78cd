"""Does it help to keep only the largest component, of everything or of single labels?

Source: Isensee et al., Nature Methods 2021 (empirical parameters). First the largest component of all foreground as
one, then, on top of that, of each label by itself; a step is kept only if mean Dice over the cross-validation improves
and no label loses. One label's component never touches another label's voxels, so that the steps of single labels do
not depend on each other and one pass over the cases measures them all.

Where regions are learned, Dice is that of the regions, and all foreground as one is the only step that is tried: what a
region loses would have to become part of the region around it, and the painted segmentation does not say of which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from autoseg.data.labels import Labels
from autoseg.decision import Decision, found
from autoseg.errors import UsageError
from autoseg.evaluation.overlap import count_confusion, overlap_of, reward_right_empties
from autoseg.postprocessing.components import keep_largest_component
from autoseg.serialization import Record

ROUNDING = 1e-9  # Dice: a difference below this is floating-point noise
LEAST_GAIN = 5e-5  # of mean Dice: less is 0.0000 to a reader, and no reason to remove what a network found

IntArray = np.ndarray
FloatArray = np.ndarray
ReadCases = Callable[[], Iterable[tuple[IntArray, IntArray]]]
Names = tuple[str, ...]
Trial = dict[str, tuple[float, float]]  # mean Dice before and after a step, by name of the label or region


class Step(Record):
    """One thing that is done to a segmentation.

    Attributes:
        name: what is done.
        labels: the labels that it is done to, taken together.
    """

    name: Literal["keep_largest_component"] = "keep_largest_component"
    labels: tuple[int, ...]


class Postprocessing(Record):
    """Everything that is done to a segmentation after the network, in this order; often nothing."""

    steps: tuple[Step, ...] = ()


def apply_postprocessing(segmentation: IntArray, postprocessing: Postprocessing) -> IntArray:
    """Take the steps in their order. Takes and returns integer labels (Z, Y, X); the input is left as it is."""
    for step in postprocessing.steps:
        segmentation = keep_largest_component(segmentation, step.labels)
    return segmentation


def decide_postprocessing(
    read_cases: ReadCases, labels: Labels, *, annotated: Sequence[Names | None] | None = None
) -> Decision[Postprocessing]:
    """Find out by cross-validation which steps help.

    Args:
        read_cases: called once; yields the (reference, predicted) label arrays (Z, Y, X) of each case, one at a time,
            `IGNORED` where the reference is not annotated.
        labels: the labels of both.
        annotated: what each case's reference annotates, in the same order; None where all annotate everything. The
            rest of a case does not count.

    Returns:
        The steps to take; the inputs hold, for each step that was tried, Dice before and after by label or region.

    Raises:
        UsageError: no cases.
    """
    tables = np.array([_measure_case(reference, predicted, labels) for reference, predicted in read_cases()])
    if tables.size and annotated is not None:
        tables[~_mark_scored(annotated, labels)] = np.nan
    if not tables.size:
        raise UsageError("There are no cross-validation cases to decide postprocessing from. Train at least one fold.")
    steps, tried = [], {}
    as_one = _try(tables[:, 0, 0], tables[:, 1, 0], labels)
    tried["all foreground"] = as_one
    if _helps(as_one):
        steps.append(Step(labels=labels.foreground))
    before, after = tables[:, len(steps), 0], tables[:, len(steps), 1]
    for label in labels.foreground if len(labels.foreground) > 1 and not labels.regions else ():
        name = labels.names[label]
        tried[name] = {key: dice for key, dice in _try(before, after, labels).items() if key == name}
        if _helps(tried[name]):
            steps.append(Step(labels=(label,)))
    return found(Postprocessing(steps=tuple(steps)), _explain(steps, tried, labels), dice=_rounded(tried))


def _mark_scored(annotated: Sequence[Names | None], labels: Labels) -> np.ndarray:
    """Boolean (n_cases, 2, 2, n_targets), as `_measure_case` lays out a case."""
    marks = np.array([labels.mark_annotated(names)[-len(labels.targets) :] for names in annotated])
    return np.broadcast_to(marks[:, None, None], (len(marks), 2, 2, len(labels.targets)))


def _measure_case(reference: IntArray, predicted: IntArray, labels: Labels) -> FloatArray:
    """Dice (2, 2, n_targets): without and with all foreground as one, then without and with each label alone."""
    return np.array(
        [
            [_measure_dice(reference, start, labels), _measure_dice(reference, _keep_each(start, labels), labels)]
            for start in (predicted, keep_largest_component(predicted, labels.foreground))
        ]
    )


def _keep_each(segmentation: IntArray, labels: Labels) -> IntArray:
    for label in () if labels.regions else labels.foreground:
        segmentation = keep_largest_component(segmentation, (label,))
    return segmentation


def _measure_dice(reference: IntArray, predicted: IntArray, labels: Labels) -> list[float]:
    confusion = count_confusion(reference, predicted, labels.n_labels)
    return [overlap_of(confusion, its).dice for _, its in labels.targets]


def _try(before: FloatArray, after: FloatArray, labels: Labels) -> Trial:
    """Mean Dice over cases, before and after, of each label or region that some case counts."""
    before, after = reward_right_empties(before, after)
    counted = ~np.isnan(before).all(axis=0)
    return {
        name: (float(np.nanmean(before[:, index])), float(np.nanmean(after[:, index])))
        for index, (name, _) in enumerate(labels.targets)
        if counted[index]
    }


def _helps(trial: Trial) -> bool:
    gains = [after - before for before, after in trial.values()]
    return bool(gains) and sum(gains) / len(gains) >= LEAST_GAIN and min(gains) > -ROUNDING


def _explain(steps: Sequence[Step], tried: Mapping[str, Trial], labels: Labels) -> str:
    kept = [_name_step(step, labels) for step in steps]
    alone = "; single regions overlap and were not tried" if labels.regions else ""
    if not kept:
        return (
            f"keeping only the largest component was tried for {_join(list(tried))}, "
            f"and helps nowhere without loss{alone}"
        )
    gains = [f"{name} ({_describe(tried[name])})" for name in kept]
    left = [name for name in tried if name not in kept]
    rest = f"; not for {_join(left)}, where it does not help or a label loses" if left else ""
    return f"keeping only the largest component raises mean Dice for {_join(gains)} and no label loses{rest}{alone}"


def _name_step(step: Step, labels: Labels) -> str:
    return "all foreground" if step.labels == labels.foreground else labels.names[step.labels[0]]


def _describe(trial: Trial) -> str:
    before, after = np.mean(list(trial.values()), axis=0)
    return f"{before:.4f} to {after:.4f}"


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _rounded(tried: Mapping[str, Trial]) -> dict[str, dict[str, list[float]]]:
    return {
        step: {name: [round(value, 5) for value in dice] for name, dice in trial.items()}
        for step, trial in tried.items()
    }
