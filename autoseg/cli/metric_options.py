"""What shall `evaluate` measure, as the words of the command line say it?

An option that would change nothing beside the others is refused: who gives a tolerance means to see what it does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from autoseg.errors import UsageError
from autoseg.evaluation.definitions import FACTS
from autoseg.evaluation.options import GROUPS, MetricOptions
from autoseg.serialization import did_you_mean

NEEDED = {
    "tolerances": ("--tolerance", "surface"),
    "label_tolerances": ("--label-tolerance", "surface"),
    "boundary_width": ("--boundary-width", "boundary"),
    "lesion_iou": ("--lesion-iou", "lesions"),
    "min_lesion_volume_ml": ("--min-lesion-volume", "lesions"),
    "tubular": ("--tubular", "centre_lines"),
    "probabilities": ("--probabilities", "calibration"),
}  # the option that says each, and the group without which it changes nothing


def parse_metric_options(
    metrics: str | None = None,
    *,
    tolerances: Sequence[float] | None = None,
    label_tolerances: Sequence[str] | None = None,
    boundary_width: float | None = None,
    lesion_iou: float | None = None,
    min_lesion_volume_ml: float | None = None,
    tubular: Sequence[str] | None = None,
    with_probabilities: bool = False,
) -> MetricOptions:
    """What to measure, as words of the command line say it; nothing said is the default.

    Raises:
        UsageError: no such group or metric, a tolerance, width or share that is none, or words that change nothing
            beside the others.
    """
    said: dict[str, Any] = {}
    if metrics is not None:
        said["groups"] = _parse_groups(metrics)
    if tolerances:
        said["tolerances"] = tuple(_require_positive(value, f"--tolerance {value:g}") for value in tolerances)
    if label_tolerances:
        said["label_tolerances"] = _parse_label_tolerances(label_tolerances)
    if boundary_width is not None:
        said["boundary_width"] = _require_positive(boundary_width, f"--boundary-width {boundary_width:g}", "width")
    if lesion_iou is not None:
        said["lesion_iou"] = _require_share(lesion_iou)
    if min_lesion_volume_ml is not None:
        said["min_lesion_volume_ml"] = min_lesion_volume_ml
    if tubular:
        said["tubular"] = tuple(tubular)
    if metrics is not None:
        _refuse_idle(metrics, said, with_probabilities=with_probabilities)
    return MetricOptions(**said)


def _refuse_idle(metrics: str, said: Mapping[str, Any], *, with_probabilities: bool) -> None:
    """Raise UsageError where an option changes nothing that is measured, or what is to be measured lacks one."""
    given = {*said, *(("probabilities",) if with_probabilities else ())}
    for name, (option, group) in NEEDED.items():
        if name in given and group not in said["groups"]:
            raise UsageError(
                f"{option} changes nothing, because --metrics {metrics} leaves {group} out. Add {group}, or leave "
                f"{option} out."
            )
    for name in ("tubular", "probabilities"):
        option, group = NEEDED[name]
        if group in said["groups"] and name not in given:
            raise UsageError(
                f"--metrics {metrics}: {group} is measured with {option} only. Add it, or leave {group} out."
            )


def _parse_groups(words: str) -> tuple[str, ...]:
    """Groups by their own names, or by those of metrics."""
    group_of: dict[str, str] = {metric: facts.group for metric, facts in FACTS.items()}
    group_of |= {group: group for group in GROUPS}
    wanted = split_words(words)
    if not wanted:
        raise UsageError(f"--metrics names nothing. Choose from {', '.join(GROUPS)}, or leave it out for all.")
    for word in wanted:
        if word not in group_of:
            raise UsageError(f"--metrics {word}: there is no such metric.{did_you_mean(word, group_of)}")
    asked = {group_of[word] for word in wanted}
    return tuple(group for group in GROUPS if group in asked or group == "overlap")


def _parse_label_tolerances(texts: Sequence[str]) -> dict[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not name:
            raise UsageError(f"--label-tolerance {text}: expected the name of a label and mm, for example liver=2.")
        found[name] = (*found.get(name, ()), _require_positive(value, f"--label-tolerance {text}"))
    return found


def _require_positive(value: float, what: str, noun: str = "tolerance") -> float:
    if not 0 < value < math.inf:
        raise UsageError(f"{what}: a {noun} is a number of mm above 0 (px without spacing).")
    return value


def _require_share(value: float) -> float:
    if not 0 < value <= 1:
        raise UsageError(f"--lesion-iou {value:g}: an intersection over union to reach is above 0 and at most 1.")
    return value


def split_words(words: str) -> list[str]:
    """Words between commas."""
    return [word.strip() for word in words.split(",") if word.strip()]
