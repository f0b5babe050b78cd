"""What does an evaluation say, per case, per label and over all cases?

A `Report` keeps every case. Each label and metric has mean, median and standard deviation over the cases where it is
defined, a 95% interval of the mean, and their number; the worst case is named. The one figure on top is the mean
foreground Dice: the mean over labels of the mean over cases (Isensee et al., Nature Methods 2021), so that a rare label
weighs as much as a frequent one.

What an earlier version did not know is left out of the file where it is not known, so that a report of that version is
written, and named by its digest, as it always was.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Annotated, Any

import pydantic

from autoseg.evaluation.definitions import DEFINITION, Worst
from autoseg.evaluation.options import MetricOptions
from autoseg.serialization import Record


def _to_score(value: Any) -> Any:
    """JSON writes an undefined score as null; all are one and the same NaN here, so that equal records are equal."""
    return math.nan if value is None or value != value else value


Score = Annotated[float, pydantic.BeforeValidator(_to_score)]


def _leave_out(shown: Any, names: Sequence[str]) -> Any:
    """Without these keys where they hold nothing: NaN, None or nothing in a collection."""
    for name in names:
        value = shown[name]
        if value is None or value != value or value in ((), {}, ""):
            del shown[name]
    return shown


class LabelScores(Record):
    """Scores of one label or region in one case; NaN where not counted (`overlap` has the table of empty cases).

    Attributes:
        dice, jaccard, precision, recall: 0..1.
        reference_ml, predicted_ml: volumes in millilitres, NaN where the images have no spacing.
        volume_error_ml: predicted minus reference.
        hd95, assd: 95th percentile of the surface distances, and their mean; mm, or voxels without spacing.
        nsd: normalised surface Dice, 0..1, by tolerance: `nsd_2mm`, or `nsd_2px` without spacing.
        boundary_iou: of the masks' boundaries, 0..1.
        cl_dice: of the centre lines, 0..1; NaN for a label that is not tubular.
        lesion_f1, lesion_sensitivity: of connected components, 0..1.
        lesion_false_positives: predicted components that hit no reference component.
        ece, brier: calibration of the probabilities, NaN without them.
    """

    dice: Score
    jaccard: Score
    precision: Score
    recall: Score
    reference_ml: Score
    predicted_ml: Score
    volume_error_ml: Score
    hd95: Score = math.nan
    assd: Score = math.nan
    boundary_iou: Score = math.nan
    cl_dice: Score = math.nan
    lesion_f1: Score = math.nan
    lesion_sensitivity: Score = math.nan
    lesion_false_positives: Score = math.nan
    ece: Score = math.nan
    brier: Score = math.nan
    nsd: dict[str, Score] = {}

    @pydantic.model_serializer(mode="wrap")
    def _leave_out_unmeasured(self, handler: Any) -> Any:
        return _leave_out(handler(self), _LATER_SCORES)

    @property
    def is_unscored(self) -> bool:
        """Whether nothing was counted at all, as of a label that is not annotated."""
        return all(math.isnan(value) for value in self.values().values())

    def values(self) -> dict[str, float]:
        """Every metric by name, those of the surface Dice by tolerance."""
        return {**{metric: getattr(self, metric) for metric in METRICS}, **self.nsd}


METRICS = tuple(name for name in LabelScores.model_fields if name != "nsd")
_LATER_SCORES = tuple(name for name, field in LabelScores.model_fields.items() if not field.is_required())


class LabelConfidence(Record):
    """What a prediction says of its own certainty about one label or region; no reference is needed for it.

    Attributes:
        label: its name.
        n_voxels: predicted voxels.
        volume_ml: the same in millilitres, None where the image has no spacing.
        agreement: mean pairwise Dice of an ensemble's members, 0..1; None where there is a single one, or where no
            member finds the label.
        boundary_entropy: mean entropy along the predicted boundary, 0..1; None where there is no boundary.
        expected_dice: the Dice that the probabilities themselves expect, 0..1; None where they were not summed, or
            are zero.
    """

    label: str
    n_voxels: int
    volume_ml: float | None = None
    agreement: float | None = None
    boundary_entropy: float | None = None
    expected_dice: float | None = None


class CaseScores(Record):
    """Scores of one case.

    Attributes:
        case_id: the case.
        labels: scores of each foreground label, or region, by its name; all NaN for one that is not annotated.
        is_missing: whether there was no prediction to score.
        confidence: of each label or region, what the prediction said of its certainty; empty where that is not known.
    """

    case_id: str
    labels: dict[str, LabelScores]
    is_missing: bool = False
    confidence: tuple[LabelConfidence, ...] = ()

    @pydantic.model_serializer(mode="wrap")
    def _leave_out_no_confidence(self, handler: Any) -> Any:
        return _leave_out(handler(self), ("confidence",))

    @property
    def mean_dice(self) -> float:
        """Mean Dice over the foreground labels where it is counted, NaN if it is nowhere."""
        return mean_of([scores.dice for scores in self.labels.values()])


class Summary(Record):
    """One metric of one label over the cases where it is counted.

    Attributes:
        mean, median: of them.
        std: the sample's standard deviation, NaN for a single case.
        n: number of cases.
        low, high: 95% interval of the mean; NaN for a single case, and in reports of earlier versions.
    """

    mean: Score
    median: Score
    std: Score
    n: int
    low: Score = math.nan
    high: Score = math.nan

    @pydantic.model_serializer(mode="wrap")
    def _leave_out_no_interval(self, handler: Any) -> Any:
        return _leave_out(handler(self), ("low", "high"))


class WorstCase(Record):
    """The case that a metric is worst in.

    Attributes:
        case_id: the first of those that are equally bad.
        value: its score.
        direction: which end is the bad one: `lowest`, `highest`, or `farthest from 0`.
    """

    case_id: str
    value: float
    direction: Worst


class Report(Record):
    """The result of an evaluation.

    Attributes:
        autoseg_report: version of this format.
        definition: what the numbers mean, the policy for empty masks included.
        options: tolerances and the like; None in reports of earlier versions.
        mean_dice: mean foreground Dice, over labels of the means over cases.
        n_cases: number of cases, missing ones included.
        missing: cases without a prediction; they score as misses.
        without_reference: predictions that nothing could be compared with; they are not scored.
        summary: per label name and metric.
        worst: the worst case per label name and metric, where a metric has a bad end and was counted anywhere.
        cases: every case, sorted by id.
    """

    autoseg_report: int = 1
    definition: str = DEFINITION
    options: MetricOptions | None = None
    mean_dice: Score
    n_cases: int
    missing: tuple[str, ...] = ()
    without_reference: tuple[str, ...] = ()
    summary: dict[str, dict[str, Summary]]
    worst: dict[str, dict[str, WorstCase]] = {}
    cases: tuple[CaseScores, ...]

    @pydantic.model_serializer(mode="wrap")
    def _leave_out_unknown(self, handler: Any) -> Any:
        """A report that was stripped of its cases names none of them."""
        shown = handler(self)
        if not self.cases:
            shown["worst"] = {}
        return _leave_out(shown, ("options", "worst"))


def count_cases(n_cases: int) -> str:
    """`1 case`, `52 cases`."""
    return "1 case" if n_cases == 1 else f"{n_cases} cases"


def mean_of(values: Sequence[float]) -> float:
    """Mean of the values that are defined, NaN if none is."""
    defined = [value for value in values if not math.isnan(value)]
    return statistics.fmean(defined) if defined else math.nan
