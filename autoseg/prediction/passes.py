"""What does an ensemble of configurations say about a case, each pass computed once?

A cascade's first pass comes before it. Where it is a member of the ensemble as well, one computation serves both; and a
case is cropped and normalised once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from autoseg.planning.plan import Plan
from autoseg.prediction.configuration_predictor import (
    ConfigurationPredictor,
    segment_for_cascade,
    segment_through_original,
)
from autoseg.prediction.memory.budget import Resources
from autoseg.prediction.restoring.restore import Member
from autoseg.preprocessing.preprocess import Prepared, Spacing3, align, prepare

OnPass = Callable[[int, int, int], None]
Cases = dict[tuple[str, str], Prepared]


@dataclass(frozen=True)
class Said:
    """What an ensemble says about a case.

    Attributes:
        members: one for each configuration, ready to be restored.
        n_windows: of all passes.
        n_skipped: windows of one constant value, whose answer was known from another.
    """

    members: tuple[Member, ...]
    n_windows: int
    n_skipped: int


def list_passes(predictors: Sequence[ConfigurationPredictor]) -> tuple[ConfigurationPredictor, ...]:
    """Everything that is computed for a case, each once, what comes before a cascade ahead of it."""
    passes: list[ConfigurationPredictor] = []
    for predictor in predictors:
        before = () if predictor.previous is None else list_passes([predictor.previous])
        passes += [one for one in (*before, predictor) if not _is_among(one, passes)]
    return tuple(passes)


def prepare_case(predictors: Sequence[ConfigurationPredictor], image: np.ndarray, spacing_mm: Sequence[float]) -> Cases:
    """Bring an image onto the network grids of all passes.

    Args:
        image: (C, Z, Y, X) as it was read. It is let go once it is normalised: whoever passes it on without keeping it,
            as by `images.pop()`, holds it no longer while it is resampled.
        spacing_mm: mm (z, y, x).

    Returns:
        the case on each grid, by the name of the grid.
    """
    cases: Cases = {}
    plan, aligned = None, None
    passes, given = list_passes(predictors), [image]
    del image
    for number, predictor in enumerate(passes):
        if aligned is None or plan is None or not _align_alike(plan, predictor.plan):
            plan = predictor.plan
            is_last = all(_align_alike(plan, later.plan) for later in passes[number:])
            aligned = align(given.pop() if is_last else given[0], None, spacing_mm, plan)
        if predictor.grid not in cases:
            cases[predictor.grid] = prepare(aligned, predictor.settings)
    return cases


def predict_case(
    predictors: Sequence[ConfigurationPredictor],
    cases: Cases,
    *,
    resources: Resources | None = None,
    count_agreement: bool = False,
    on_progress: OnPass | None = None,
) -> Said:
    """Compute all passes over a case.

    Args:
        cases: from `prepare_case`; it is emptied on the way, so that no image stays longer than it is needed.
        resources: what may be held; the result does not depend on it.
        count_agreement: whether the folds of each configuration are compared.
        on_progress: called with (number of the pass in `list_passes`, its windows done, its windows in all).
    """
    passes = list_passes(predictors)
    spacings = {grid: case.spacing_mm for grid, case in cases.items()}
    said: dict[int, Member] = {}
    n_windows = n_skipped = 0
    for number, predictor in enumerate(passes):
        is_last = all(other.grid != predictor.grid for other in passes[number + 1 :])
        case = cases.pop(predictor.grid) if is_last else cases[predictor.grid]
        before = _segment_before(predictor, said, spacings, case, resources)
        _forget(said, predictors, passes[number + 1 :])
        logits = predictor.compute_logits(
            case.image,
            previous=before,
            resources=resources,
            count_agreement=count_agreement,
            on_progress=None if on_progress is None else _tell_of_pass(on_progress, number),
        )
        said[id(predictor)] = predictor.make_member(logits, case.placement)
        n_windows, n_skipped = n_windows + logits.n_windows, n_skipped + logits.n_skipped
    return Said(tuple(said[id(predictor)] for predictor in predictors), n_windows, n_skipped)


def _segment_before(
    predictor: ConfigurationPredictor,
    said: dict[int, Member],
    spacings: dict[tuple[str, str], Spacing3],
    case: Prepared,
    resources: Resources | None,
) -> np.ndarray | None:
    """What a cascade sees beside the image, decided on the grid that its plan says."""
    cascade, previous = predictor.settings.cascade, predictor.previous
    if cascade is None or previous is None:
        return None
    member = said[id(previous)]
    if cascade.through.value == "original_grid":
        return segment_through_original(member, predictor.settings, case, resources)
    shape = case.placement.network_shape
    return segment_for_cascade(member, spacings[previous.grid], predictor.settings, shape, resources)


def _forget(
    said: dict[int, Member],
    predictors: Sequence[ConfigurationPredictor],
    later: Sequence[ConfigurationPredictor],
) -> None:
    """Let go of what neither the ensemble nor a later cascade needs."""
    needed = {id(one) for one in predictors} | {id(one.previous) for one in later if one.previous is not None}
    for key in set(said) - needed:
        del said[key]


def _align_alike(plan: Plan, other: Plan) -> bool:
    if plan is other:
        return True
    return plan.axis_order.value == other.axis_order.value and plan.normalization == other.normalization


def _is_among(one: ConfigurationPredictor, others: Sequence[ConfigurationPredictor]) -> bool:
    return any(one is other for other in others)


def _tell_of_pass(on_progress: OnPass, number: int) -> Callable[[int, int], None]:
    return lambda done, total: on_progress(number, done, total)
