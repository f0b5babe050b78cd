"""What Dice may be expected of a prediction that no reference was ever drawn for?

Every case of the cross-validation is predicted by a network that never saw it, and its Dice is known. A line through
these cases leads from what a prediction says of its own certainty to its Dice:

    dice = offset + weights . (expected Dice, entropy in the boundary, log of the volume in ml)

for each label, with weights that lean on those of all labels where its cases are few (`held_out.fit`). Agreement of
ensemble members is no part of it: within the cross-validation a case has one network per configuration.

How good that is, is measured on cases held out of the line: fold by fold, so that neither the case nor any other
prediction of its network was seen, where there are three folds; else case by case. It must beat the mean Dice of the
label, which needs no certainty at all: if the cases cannot show that it does (95% bootstrap interval of the gain, over
cases), the mean is what is predicted, and so it is for a single label whose error the line does not lower. The
interval around either holds 80% of new cases like these: quantiles of the held-out errors of the label, with the ranks
of conformal prediction (Vovk, Annals of Mathematics and Artificial Intelligence 2015). All of this is about the
networks of single folds, and about images like those of the cross-validation.

Not counted: a label that is not annotated, that is empty in reference and prediction, or of which nothing is predicted
(its Dice is 0 or undefined, and no certainty tells which). A prediction where the reference is empty counts, with 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autoseg.decision import Decision, found
from autoseg.evaluation.comparing import bootstrap_interval
from autoseg.evaluation.held_out import Rows, correlate_ranks, fit, predict_held_out
from autoseg.evaluation.report import CaseScores, LabelConfidence
from autoseg.serialization import Record

MIN_CASES = 9  # of a label: with fewer, no tenth of the errors can be cut off on either side
MIN_FOLDS = 3  # with two, holding one out leaves half of the cases
MAX_PARTS = 50  # held out in turn where it is not by folds; more cases are held out in groups
NOT_MEASURED = (
    "no Dice is predicted: the cross-validation was scored by a version that did not measure certainty. Remove the "
    "report.json of the selected configuration's folds (trained/<configuration>/fold_<k>/validation, of an ensemble "
    "crossvalidation/<candidate>), then run `autoseg train` and `autoseg select` again: its cases are predicted anew"
)
N_RESAMPLES = 2000  # of the gain's interval
TAIL = 10  # one in ten new cases lies below the interval, one in ten above

FloatArray = np.ndarray


class LabelCalibration(Record):
    """What the cross-validation says of one label or region.

    Attributes:
        offset: what is added to the weighted features; without weights the mean Dice.
        weights: by feature; none where the line does not tell more of this label than its mean does.
        low, high: held-out errors, Dice minus predicted, that cut off a tenth of the cases on either side.
        least_expected_dice: the smallest expected Dice among the cases; below it nothing was measured.
        n_cases: cases that it rests on.
    """

    offset: float
    weights: dict[str, float]
    low: float
    high: float
    least_expected_dice: float
    n_cases: int


class Calibration(Record):
    """From a prediction's certainty to its Dice.

    Attributes:
        configurations: which predict together; for others it does not hold.
        labels: by name of the label or region; one that too few cases hold is not among them.
    """

    configurations: tuple[str, ...]
    labels: dict[str, LabelCalibration]


class PredictedDice(Record):
    """The Dice to expect, 0..1, and the interval that holds it in 80% of cases like the cross-validation's."""

    dice: float
    low: float
    high: float


def apply_calibration(calibration: Calibration, certainty: LabelConfidence) -> PredictedDice | None:
    """The Dice to expect of a label in a new case.

    Returns:
        None where nothing is predicted of the label, it is not among the calibrated ones, or a feature is missing.
    """
    label = calibration.labels.get(certainty.label)
    if label is None or certainty.n_voxels == 0:
        return None
    dice, features = label.offset, compute_features(certainty)
    for name, weight in label.weights.items():
        value = features.get(name)
        if value is None:
            return None
        dice += weight * value
    dice = _clip(dice)
    return PredictedDice(dice=dice, low=_clip(dice + label.low), high=_clip(dice + label.high))


def compute_features(certainty: LabelConfidence) -> dict[str, float | None]:
    """What the line is drawn through, by name; None where it is not known."""
    volume_ml = certainty.volume_ml
    return {
        "expected_dice": certainty.expected_dice,
        "boundary_entropy": certainty.boundary_entropy,
        "log_volume_ml": math.log(volume_ml) if volume_ml else None,
    }


def calibrate(
    cases: Sequence[CaseScores], fold_of: Mapping[str, int], configurations: Sequence[str]
) -> Decision[Calibration | None]:
    """Find out by cross-validation what Dice a prediction's certainty stands for.

    Args:
        cases: scores of the cross-validation, with the `confidence` of each case.
        fold_of: the fold that held each case out, by case id.
        configurations: which predicted the cases together.

    Returns:
        The calibration; None where it would rest on fewer than `MIN_CASES` cases of every label. The inputs hold the
        mean absolute errors on held-out cases (mean over labels of the mean over cases), of the line and of the mean,
        and the rank correlation (Spearman) of the line's predictions with Dice, for all labels and for each.
    """
    names, rows, columns = _gather(cases, fold_of)
    if not names:
        return found(None, _explain_too_few(cases), n_cases=len(cases))
    held_out = np.stack([predict_held_out(rows), predict_held_out(rows.without_features())])
    errors = np.abs(held_out - rows.dice)
    gains = np.array([np.mean((errors[1] - errors[0])[rows.cases == case]) for case in np.unique(rows.cases)])
    low, high = bootstrap_interval(gains, n_resamples=N_RESAMPLES)
    measured = _measure(names, rows, errors, held_out[0])
    facts = {"n_cases": gains.size, "gain_interval": [round(low, 5), round(high, 5)], **measured}
    helps = [low > 0 and errors[0, its].mean() < errors[1, its].mean() for its in rows.masks]
    least = [float(rows.features[its, 0].min()) for its in rows.masks]  # expected Dice is the first feature
    by_line = _describe_labels(rows, held_out[0], columns, least)
    by_mean = _describe_labels(rows.without_features(), held_out[1], (), least)
    chosen = [line if better else mean for better, line, mean in zip(helps, by_line, by_mean, strict=True)]
    calibration = Calibration(configurations=tuple(configurations), labels=dict(zip(names, chosen, strict=True)))
    return found(calibration, _explain(calibration, facts, cases, fold_of), **facts)


def _gather(cases: Sequence[CaseScores], fold_of: Mapping[str, int]) -> tuple[list[str], Rows, list[str]]:
    """Labels, rows and features of what counts; labels with too few cases, or in too few parts, are left out."""
    part_of = _choose_parts([case.case_id for case in cases], fold_of)
    counted = [
        (number, part_of[case.case_id], case.labels[certainty.label].dice, certainty)
        for number, case in enumerate(cases)
        for certainty in case.confidence
        if certainty.n_voxels > 0
        and not math.isnan(case.labels[certainty.label].dice)
        and None not in (certainty.expected_dice, certainty.boundary_entropy)
    ]
    parts_of: dict[str, list[int]] = {}
    for _, part, _, certainty in counted:
        parts_of.setdefault(certainty.label, []).append(part)
    names = [name for name, parts in parts_of.items() if len(parts) >= MIN_CASES and len(set(parts)) > 1]
    kept = [row for row in counted if row[3].label in names]
    table = [compute_features(certainty) for *_, certainty in kept]
    columns = [name for name in (table[0] if table else ()) if all(row[name] is not None for row in table)]
    rows = Rows(
        dice=np.array([dice for _, _, dice, _ in kept]),
        features=np.array([[row[name] for name in columns] for row in table], dtype=np.float64),
        labels=np.array([names.index(certainty.label) for *_, certainty in kept], dtype=np.intp),
        parts=np.array([part for _, part, _, _ in kept], dtype=np.intp),
        cases=np.array([number for number, *_ in kept], dtype=np.intp),
    )
    return names, rows, columns


def _choose_parts(case_ids: Sequence[str], fold_of: Mapping[str, int]) -> dict[str, int]:
    """What is held out together: folds where there are enough of them, else single cases, or groups of many."""
    if _are_held_out_by_fold(case_ids, fold_of):
        return {case_id: fold_of[case_id] for case_id in case_ids}
    return {case_id: number % MAX_PARTS for number, case_id in enumerate(sorted(case_ids))}


def _are_held_out_by_fold(case_ids: Sequence[str], fold_of: Mapping[str, int]) -> bool:
    return len({fold_of[case_id] for case_id in case_ids}) >= MIN_FOLDS


def _describe_labels(
    rows: Rows, held_out: FloatArray, columns: Sequence[str], least: Sequence[float]
) -> Iterator[LabelCalibration]:
    """Of each label the line through all rows, and the spread of its errors where they were held out."""
    weights, offsets = fit(rows, len(rows.masks))
    for its, own, offset, least_expected in zip(rows.masks, weights, offsets, least, strict=True):
        errors = np.sort((rows.dice - held_out)[its])
        rank = (errors.size + 1) // TAIL
        yield LabelCalibration(
            offset=float(offset),
            weights=dict(zip(columns, map(float, own), strict=True)),
            low=float(errors[rank - 1]),
            high=float(errors[-rank]),
            least_expected_dice=least_expected,
            n_cases=errors.size,
        )


def _measure(names: Sequence[str], rows: Rows, errors: FloatArray, by_line: FloatArray) -> dict[str, object]:
    """Errors of the line and of the mean, and the rank correlation, of each label and over all of them."""
    each = {}
    for name, its in zip(names, rows.masks, strict=True):
        by_certainty, by_mean = errors[:, its].mean(axis=1)
        each[name] = (by_certainty, by_mean, correlate_ranks(by_line[its], rows.dice[its]))
    keys = ("mae", "mae_of_mean", "rank_correlation")
    overall = zip(keys, np.mean(list(each.values()), axis=0), strict=True)
    by_label = {name: dict(zip(keys, (round(float(v), 4) for v in row), strict=True)) for name, row in each.items()}
    return {key: round(float(value), 4) for key, value in overall} | {"labels": by_label}


def _clip(dice: float) -> float:
    return min(1.0, max(0.0, float(dice)))


def _explain(
    calibration: Calibration, facts: Mapping[str, Any], cases: Sequence[CaseScores], fold_of: Mapping[str, int]
) -> str:
    by = "case by case" if len(cases) <= MAX_PARTS else f"in {MAX_PARTS} groups"
    if _are_held_out_by_fold([case.case_id for case in cases], fold_of):
        by = "fold by fold"
    figures = (
        f"an error of {facts['mae']:.4f} Dice on {facts['n_cases']} cases held out {by}, against "
        f"{facts['mae_of_mean']:.4f} of always expecting the label's mean (rank correlation "
        f"{facts['rank_correlation']:.2f})"
    )
    left = [name for name, label in calibration.labels.items() if not label.weights]
    said = f"Dice is predicted from the prediction's own certainty, with {figures}"
    if len(left) == len(calibration.labels):
        said = f"these cases do not show that certainty tells Dice: {figures}. The mean and its spread are predicted"
    elif left:
        said += f"; the mean is predicted where it is no worse: {', '.join(left)}"
    return f"{said}. Measured with single folds, before postprocessing; an ensemble of folds was not measured"


def _explain_too_few(cases: Sequence[CaseScores]) -> str:
    if not any(case.confidence for case in cases):
        return NOT_MEASURED
    return (
        f"no Dice is predicted: no label is found and annotated in {MIN_CASES} of the {len(cases)} cases of the "
        f"cross-validation, in more than one part of them. Train further folds"
    )
