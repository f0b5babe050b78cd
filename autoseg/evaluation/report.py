"""What does an evaluation say, per case, per label and over all cases?

A `Report` keeps every case. Each label and metric has mean, median and standard deviation over the cases where it is
defined, and their number. The one figure on top is the mean foreground Dice: the mean over labels of the mean over
cases (Isensee et al., Nature Methods 2021), so that a rare label weighs as much as a frequent one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Annotated, Any

import pydantic

from autoseg.serialization import Record

DEFINITION = (
    "Dice, Jaccard, precision and recall are counted in voxels, per case and label; volumes in ml, volume error is "
    "predicted minus reference; null where the images have no spacing. A label that is empty in reference and "
    "prediction is not counted (null). Empty in the reference only: Dice, Jaccard and precision 0, recall not counted. "
    "Empty in the prediction only: Dice, Jaccard and recall 0, precision not counted. A missing prediction scores 0 "
    "throughout. Voxels that the reference leaves unannotated are outside of every count, and so are labels that a "
    "case does not annotate (null). Where regions, unions of labels, are declared, they stand in place of labels. "
    "Mean, median and sample standard deviation are over the cases where a score is counted, n is their number; "
    "mean_dice is the mean over foreground labels of the mean over cases."
)


def _to_score(value: Any) -> Any:
    """JSON writes an undefined score as null; all are one and the same NaN here, so that equal records are equal."""
    return math.nan if value is None or value != value else value


Score = Annotated[float, pydantic.BeforeValidator(_to_score)]


class LabelScores(Record):
    """Scores of one label or region in one case; NaN where not counted (`overlap` has the table of empty cases).

    Attributes:
        dice, jaccard, precision, recall: 0..1.
        reference_ml, predicted_ml: volumes in millilitres, NaN where the images have no spacing.
        volume_error_ml: predicted minus reference.
    """

    dice: Score
    jaccard: Score
    precision: Score
    recall: Score
    reference_ml: Score
    predicted_ml: Score
    volume_error_ml: Score


METRICS = tuple(LabelScores.model_fields)


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
        shown = handler(self)
        if not self.confidence:
            shown.pop("confidence", None)
        return shown

    @property
    def mean_dice(self) -> float:
        """Mean Dice over the foreground labels where it is counted, NaN if it is nowhere."""
        return mean_of([scores.dice for scores in self.labels.values()])


class Summary(Record):
    """One metric of one label over the cases where it is counted; std is the sample's, NaN for a single case."""

    mean: Score
    median: Score
    std: Score
    n: int


class Report(Record):
    """The result of an evaluation.

    Attributes:
        autoseg_report: version of this format.
        definition: what the numbers mean.
        mean_dice: mean foreground Dice, over labels of the means over cases.
        n_cases: number of cases, missing ones included.
        missing: cases without a prediction; they score 0.
        without_reference: predictions that nothing could be compared with; they are not scored.
        summary: per label name and metric.
        cases: every case, sorted by id.
    """

    autoseg_report: int = 1
    definition: str = DEFINITION
    mean_dice: Score
    n_cases: int
    missing: tuple[str, ...] = ()
    without_reference: tuple[str, ...] = ()
    summary: dict[str, dict[str, Summary]]
    cases: tuple[CaseScores, ...]


def mean_of(values: Sequence[float]) -> float:
    """Mean of the values that are defined, NaN if none is."""
    defined = [value for value in values if not math.isnan(value)]
    return statistics.fmean(defined) if defined else math.nan


Table = tuple[list[str], list[list[str | float | int]]]  # columns and rows


def label_rows(report: Report) -> Table:
    """One row per label: mean, median and spread of Dice, the number of cases, and means of what explains it."""
    means = ("jaccard", "precision", "recall", "reference_ml", "volume_error_ml")
    columns = ["label", "dice", "median", "std", "n", *means]
    table: list[list[str | float | int]] = []
    for name, metrics in report.summary.items():
        dice = metrics["dice"]
        table.append([name, dice.mean, dice.median, dice.std, dice.n, *(metrics[metric].mean for metric in means)])
    return columns, table


def case_rows(report: Report) -> Table:
    """One row per case and label with every metric: tidy data."""
    columns = ["case", "label", *METRICS]
    table: list[list[str | float | int]] = [
        [case.case_id, name, *(getattr(scores, metric) for metric in METRICS)]
        for case in report.cases
        for name, scores in case.labels.items()
    ]
    return columns, table
