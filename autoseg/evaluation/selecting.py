"""Which configuration, or which ensemble of configurations, shall predict?

The candidate with the highest mean foreground Dice over the pooled cross-validation (Isensee et al., Nature Methods
2021), unless a cheaper one is as good as these cases can tell, by the tests of `comparing`: every configuration of an
ensemble costs a prediction of its own, for every image, for ever. So fewer configurations come first; among as many,
the one whose prediction computes less, by what is worth telling. Where the cases are too few to show any difference, to
find none means nothing, and of as many configurations the highest Dice is taken.

The tests compare case by case, where a label that is rare among the cases weighs less than in the mean over labels. So
one candidate may have the highest mean foreground Dice and another be shown to be better: that one leads, and both are
told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from autoseg.decision import Decision, found
from autoseg.errors import UsageError
from autoseg.evaluation.bootstrapping import LEVEL
from autoseg.evaluation.comparing import Comparison, compare_pairs
from autoseg.evaluation.pairing import FoldOf
from autoseg.evaluation.report import Report
from autoseg.evaluation.signed_rank import least_cases

JOINT = "+"  # between the configurations of an ensemble: `2d+3d_fullres`
WORTH_SAVING = 0.1  # share of the computation; what costs less than this more than the cheapest is as cheap
GIGA = 1e9

Dices = Mapping[str, float]
Comparisons = Mapping[str, Comparison]  # by the candidate that another is compared with


def members_of(candidate: str) -> tuple[str, ...]:
    """The configurations of a candidate."""
    return tuple(candidate.split(JOINT))


def name_candidate(configurations: tuple[str, ...]) -> str:
    """The name of an ensemble, or of a single configuration."""
    return JOINT.join(configurations)


def select_best(
    candidates: Mapping[str, Report], *, flops: Mapping[str, float] | None = None, fold_of: FoldOf | None = None
) -> Decision[tuple[str, ...]]:
    """Choose among candidates.

    Args:
        candidates: pooled cross-validation reports by candidate, e.g. `3d_fullres` and `2d+3d_fullres`; all of the
            same cases.
        flops: floating point operations of predicting an image, by candidate; None where they are not known.
        fold_of: the fold that held each case out.

    Returns:
        The configurations to ensemble, with each candidate's mean Dice among the inputs.

    Raises:
        UsageError: no candidate, or candidates that were evaluated on different cases.
    """
    if not candidates:
        raise UsageError("There is no candidate to select from. Train at least one fold of one configuration.")
    dices = {name: _rank(report) for name, report in candidates.items()}
    highest = max(dices, key=lambda name: (dices[name], -_count(name)))
    inputs = _list_inputs(candidates, dices, flops)
    if len(candidates) == 1:
        return found(members_of(highest), "it is the only candidate", **inputs)
    best, comparisons, shown_by = _find_best(highest, list(candidates), candidates, fold_of)
    lead = _introduce(highest, best, dices, shown_by)
    fewest = _find_fewest(_find_equals(best, comparisons))
    leader, others = best, comparisons
    if best not in fewest:
        leader, others, _ = _find_best(max(fewest, key=lambda name: dices[name]), fewest, candidates, fold_of)
    chosen = _find_cheapest(leader, others, flops, dices)
    if chosen == best:
        return found(members_of(best), lead + ("" if shown_by else _praise(dices, comparisons)), **inputs)
    reasons = [] if leader == best else [_excuse("it", leader, dices, comparisons, _say_members(best, leader))]
    if chosen != leader and flops:
        subject = "it" if leader == best else leader
        reasons.append(_excuse(subject, chosen, dices, others, _say_flops(leader, chosen, flops)))
    turn = "; yet " if shown_by else ", but "
    return found(members_of(chosen), lead + turn + "; and ".join(reasons), **inputs)


def _list_inputs(
    candidates: Mapping[str, Report], dices: Dices, flops: Mapping[str, float] | None
) -> dict[str, dict[str, float] | int]:
    inputs: dict[str, dict[str, float] | int] = {"mean_dice": {name: round(dice, 4) for name, dice in dices.items()}}
    inputs["n_cases"] = next(iter(candidates.values())).n_cases
    if flops:
        inputs["gflops_per_image"] = {name: float(f"{flops[name] / GIGA:.4g}") for name in candidates}
    return inputs


def _rank(report: Report) -> float:
    return -math.inf if math.isnan(report.mean_dice) else report.mean_dice


def _count(candidate: str) -> int:
    return len(members_of(candidate))


def _compare_with(
    best: str, names: Sequence[str], candidates: Mapping[str, Report], fold_of: FoldOf | None
) -> dict[str, Comparison]:
    others = [name for name in names if name != best]
    pairs = [(best, name) for name in others]
    return dict(zip(others, compare_pairs(candidates, pairs, fold_of=fold_of), strict=True))


def _find_equals(best: str, comparisons: Comparisons) -> list[str]:
    """The best, and whatever is not shown to be worse."""
    return [best, *(name for name, its in comparisons.items() if not (its.is_shown and its.mean_difference > 0))]


def _find_best(
    highest: str, names: Sequence[str], candidates: Mapping[str, Report], fold_of: FoldOf | None
) -> tuple[str, Comparisons, Comparison | None]:
    """The highest mean over labels, or what is shown to be better case by case, with the comparison that shows it.

    Returns:
        That candidate, its comparisons with the other names, and None where it is the highest itself.
    """
    comparisons = _compare_with(highest, names, candidates, fold_of)
    better = {name: its for name, its in comparisons.items() if its.is_shown and its.mean_difference < 0}
    if not better:
        return highest, comparisons, None
    best = min(better, key=lambda name: better[name].mean_difference)
    return best, _compare_with(best, names, candidates, fold_of), better[best]


def _find_fewest(names: Sequence[str]) -> list[str]:
    fewest = min(_count(name) for name in names)
    return [name for name in names if _count(name) == fewest]


def _find_cheapest(leader: str, others: Comparisons, flops: Mapping[str, float] | None, dices: Dices) -> str:
    """Among as many configurations as the leader has, the one that computes less and is not shown to be worse."""
    if not flops or any(each.n_cases < least_cases(each.n_comparisons, LEVEL) for each in others.values()):
        return leader
    equals = [name for name in _find_equals(leader, others) if _count(name) == _count(leader)]
    bearable = min(flops[name] for name in equals) / (1 - WORTH_SAVING)
    if flops[leader] <= bearable:
        return leader
    return max((name for name in equals if flops[name] <= bearable), key=lambda name: dices[name])


def _introduce(highest: str, best: str, dices: Dices, shown_by: Comparison | None) -> str:
    said = f"{highest} has the highest mean foreground Dice, {dices[highest]:.4f}"
    if shown_by is None:
        return said
    return (
        f"{said}, where a rare label weighs as much as a frequent one, but {shown_by.n_cases} cases show that {best} "
        f"with {dices[best]:.4f} is better case by case ({highest} minus {best} is {_figures(shown_by)})"
    )


def _praise(dices: Dices, comparisons: Comparisons) -> str:
    second = max(comparisons, key=lambda name: dices[name])
    comparison = comparisons[second]
    verdict = "show" if comparison.is_shown else "cannot show"
    return (
        f"; {second} follows with {dices[second]:.4f}, and {comparison.n_cases} cases {verdict} that difference "
        f"({_figures(comparison)})"
    )


def _excuse(subject: str, chosen: str, dices: Dices, comparisons: Comparisons, saving: str) -> str:
    comparison = comparisons[chosen]
    return (
        f"{comparison.n_cases} cases cannot show that {subject} is better than {chosen} with {dices[chosen]:.4f} "
        f"({_figures(comparison)}), which is the cheaper: {saving}"
    )


def _figures(comparison: Comparison) -> str:
    low, high = comparison.interval
    return (
        f"{comparison.mean_difference:+.4f}, 95% interval {low:+.4f} to {high:+.4f}, corrected p "
        f"{comparison.p_corrected:.3f}"
    )


def _say_members(better: str, chosen: str) -> str:
    n_members = _count(chosen)
    return f"{n_members} configuration{'s' * (n_members != 1)} instead of {_count(better)}"


def _say_flops(better: str, chosen: str, flops: Mapping[str, float]) -> str:
    return f"{flops[chosen] / GIGA:.3g} instead of {flops[better] / GIGA:.3g} billion operations per image"
