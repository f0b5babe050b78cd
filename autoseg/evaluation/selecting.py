"""Which configuration, or which ensemble of configurations, shall predict?

The candidate with the highest mean foreground Dice over the pooled cross-validation (Isensee et al., Nature Methods
2021), unless a cheaper one is as good as these cases can tell: every configuration of an ensemble costs a prediction of
its own, for every image, for ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from autoseg.decision import Decision, found
from autoseg.errors import UsageError
from autoseg.evaluation.comparing import Comparison, compare
from autoseg.evaluation.report import Report

JOINT = "+"  # between the configurations of an ensemble: `2d+3d_fullres`


def members_of(candidate: str) -> tuple[str, ...]:
    """The configurations of a candidate."""
    return tuple(candidate.split(JOINT))


def name_candidate(configurations: tuple[str, ...]) -> str:
    """The name of an ensemble, or of a single configuration."""
    return JOINT.join(configurations)


def select_best(candidates: Mapping[str, Report]) -> Decision[tuple[str, ...]]:
    """Choose among candidates.

    Args:
        candidates: pooled cross-validation reports by candidate, e.g. `3d_fullres` and `2d+3d_fullres`; all of the
            same cases.

    Returns:
        The configurations to ensemble, with each candidate's mean Dice among the inputs.

    Raises:
        UsageError: no candidate, or candidates that were evaluated on different cases.
    """
    if not candidates:
        raise UsageError("There is no candidate to select from. Train at least one fold of one configuration.")
    dices = {name: _rank(report) for name, report in candidates.items()}
    best = max(dices, key=lambda name: (dices[name], -len(members_of(name))))
    inputs = {"mean_dice": {name: round(dice, 4) for name, dice in dices.items()}, "n_cases": candidates[best].n_cases}
    if len(candidates) == 1:
        return found(members_of(best), "it is the only candidate", **inputs)
    comparisons = {name: _compare(candidates, best, name) for name in candidates if name != best}
    cheaper = [
        name
        for name, comparison in comparisons.items()
        if len(members_of(name)) < len(members_of(best)) and not comparison.is_shown
    ]
    if not cheaper:
        return found(members_of(best), _praise(best, dices, comparisons), **inputs)
    chosen = min(cheaper, key=lambda name: (len(members_of(name)), -dices[name]))
    return found(members_of(chosen), _excuse(chosen, best, dices, comparisons[chosen]), **inputs)


def _rank(report: Report) -> float:
    return -math.inf if math.isnan(report.mean_dice) else report.mean_dice


def _compare(candidates: Mapping[str, Report], best: str, name: str) -> Comparison:
    return compare(candidates[best], candidates[name], names=(best, name))


def _praise(best: str, dices: Mapping[str, float], comparisons: Mapping[str, Comparison]) -> str:
    second = max(comparisons, key=lambda name: dices[name])
    comparison = comparisons[second]
    verdict = "show" if comparison.is_shown else "cannot show"
    return (
        f"{best} has the highest mean foreground Dice, {dices[best]:.4f}; {second} follows with {dices[second]:.4f}, "
        f"and {comparison.n_cases} cases {verdict} that difference ({_figures(comparison)})"
    )


def _excuse(chosen: str, best: str, dices: Mapping[str, float], comparison: Comparison) -> str:
    return (
        f"{best} has the highest mean foreground Dice, {dices[best]:.4f}, but {comparison.n_cases} cases cannot show "
        f"that it is better than {chosen} with {dices[chosen]:.4f} ({_figures(comparison)}), which is the cheaper: "
        f"{_count(chosen)} instead of {_count(best)}"
    )


def _figures(comparison: Comparison) -> str:
    low, high = comparison.interval
    return f"{comparison.mean_difference:+.4f}, 95% interval {low:+.4f} to {high:+.4f}, p {comparison.p_value:.3f}"


def _count(candidate: str) -> str:
    n_members = len(members_of(candidate))
    return "1 configuration" if n_members == 1 else f"{n_members} configurations"
