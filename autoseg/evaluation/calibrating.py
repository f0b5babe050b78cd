"""What Dice may be expected of a prediction that no reference was ever drawn for?

Every case of the cross-validation is predicted by a network that never saw it, and its Dice is known. A line through
these cases leads from what a prediction says of its own certainty to its Dice:

    dice = offset + weights . (expected Dice, entropy in the boundary, log of the volume in ml)

for each label, with weights that lean on those of all labels where its cases are few (`held_out.fit`). Agreement of
ensemble members is no part of it: within the cross-validation a case has one network per configuration.

How good that is, is measured on cases held out of the line: fold by fold, so that neither the case nor any other
prediction of its network was seen, where there are three folds; else case by case. Where the cases do not show that the
line beats the mean Dice of the label, the mean is what is predicted (`choosing`). The error that is stated is that of
what is predicted, line or mean, with the choice between them made anew without the held-out part. The interval around
either holds 80% of new cases like these: quantiles of the same errors of the label, with the ranks of conformal
prediction (Vovk, Annals of Mathematics and Artificial Intelligence 2015). All of this is about the networks of single
folds, with windows at half-patch steps and all mirror images that the plan allows, and about images like those of the
cross-validation; a calibration says what it was made with (`describe_mismatch`).

Not counted: a label that is not annotated, that is empty in reference and prediction, or of which nothing is predicted
(its Dice is 0 or undefined, and no certainty tells which). A prediction where the reference is empty counts, with 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autoseg.decision import Decision, found
from autoseg.evaluation.choosing import Tried, try_predictors
from autoseg.evaluation.held_out import Rows, correlate_ranks, fit
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
TAIL = 10  # one in ten new cases lies below the interval, one in ten above

OPTIONS_BEFORE: dict[str, float | str] = {"step": 0.5, "mirroring": "all"}  # of versions that did not write them down

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
        options: how thoroughly the cases were predicted, by name.
        folds: that held the cases out; none where an earlier version did not say.
    """

    configurations: tuple[str, ...]
    labels: dict[str, LabelCalibration]
    options: dict[str, float | str] = OPTIONS_BEFORE
    folds: tuple[int, ...] = ()

    def describe_mismatch(self, options: Mapping[str, Any], folds: Sequence[int | str] = ()) -> str:
        """What about a prediction is not as the calibration was made; empty where nothing is.

        Args:
            options: of the prediction, by name; those that the calibration does not name do not count.
            folds: whose networks predict.
        """
        told = [
            f"{name} {made} (here {options[name]})"
            for name, made in self.options.items()
            if name in options and options[name] != made
        ]
        if self.folds and not set(folds) <= set(self.folds):
            told.append(f"folds {_join(self.folds)} (here {_join(folds)})")
        return f"calibrated with {', '.join(told)}" if told else ""


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
    cases: Sequence[CaseScores],
    fold_of: Mapping[str, int],
    configurations: Sequence[str],
    options: Mapping[str, float | str] = OPTIONS_BEFORE,
) -> Decision[Calibration | None]:
    """Find out by cross-validation what Dice a prediction's certainty stands for.

    Args:
        cases: scores of the cross-validation, with the `confidence` of each case.
        fold_of: the fold that held each case out, by case id.
        configurations: which predicted the cases together.
        options: how they did.

    Returns:
        The calibration; None where it would rest on fewer than `MIN_CASES` cases of every label. The inputs hold the
        mean absolute errors on held-out cases (mean over labels of the mean over cases): `mae` of choosing line or mean
        and predicting by it, `mae_of_line` and `mae_of_mean` of either for every label; and the rank correlation
        (Spearman) of the line's predictions with Dice; for all labels and for each.
    """
    names, rows, columns = _gather(cases, fold_of)
    if not names:
        return found(None, _explain_too_few(cases), n_cases=len(cases))
    tried = try_predictors(rows)
    facts = {"n_cases": np.unique(rows.cases).size, **_measure(names, rows, tried)}
    calibration = Calibration(
        configurations=tuple(configurations),
        labels=dict(zip(names, _describe_labels(rows, tried, columns), strict=True)),
        options=dict(options),
        folds=tuple(sorted({fold_of[case.case_id] for case in cases})),
    )
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


def _describe_labels(rows: Rows, tried: Tried, columns: Sequence[str]) -> Iterator[LabelCalibration]:
    """Of each label the line through all rows, or their mean, and the spread of the errors of choosing so."""
    weights, offsets = fit(rows, rows.n_labels)
    for its, own, offset, is_line in zip(rows.masks, weights, offsets, tried.choice.is_line, strict=True):
        errors = np.sort((rows.dice - tried.by_choice)[its])
        rank = (errors.size + 1) // TAIL
        yield LabelCalibration(
            offset=float(offset if is_line else rows.dice[its].mean()),
            weights=dict(zip(columns, map(float, own), strict=True)) if is_line else {},
            low=float(errors[rank - 1]),
            high=float(errors[-rank]),
            least_expected_dice=float(rows.features[its, 0].min()),  # expected Dice is the first feature
            n_cases=errors.size,
        )


def _measure(names: Sequence[str], rows: Rows, tried: Tried) -> dict[str, object]:
    """Errors and rank correlation of each label and over all of them, and the interval that the choice rests on."""
    keys = ("mae", "mae_of_line", "mae_of_mean", "rank_correlation")
    each = {}
    for name, its in zip(names, rows.masks, strict=True):
        predicted = (tried.by_choice, tried.by_line, tried.by_mean)
        errors = [float(np.abs(by - rows.dice)[its].mean()) for by in predicted]
        each[name] = [*errors, correlate_ranks(tried.by_line[its], rows.dice[its])]
    overall = zip(keys, np.mean(list(each.values()), axis=0), strict=True)
    by_label = {name: dict(zip(keys, (round(v, 4) for v in row), strict=True)) for name, row in each.items()}
    interval = [round(end, 5) for end in tried.choice.gain_interval]
    return {"gain_interval": interval, **{key: round(float(value), 4) for key, value in overall}, "labels": by_label}


def _join(folds: Sequence[int | str]) -> str:
    return ", ".join(map(str, folds))


def _clip(dice: float) -> float:
    return min(1.0, max(0.0, float(dice)))


def _explain(
    calibration: Calibration, facts: Mapping[str, Any], cases: Sequence[CaseScores], fold_of: Mapping[str, int]
) -> str:
    by = "case by case" if len(cases) <= MAX_PARTS else f"in {MAX_PARTS} groups"
    if _are_held_out_by_fold([case.case_id for case in cases], fold_of):
        by = "fold by fold"
    figures = (
        f"an error of {facts['mae']:.4f} Dice on {facts['n_cases']} cases held out {by}, choosing between line and "
        f"mean without them; the line everywhere has {facts['mae_of_line']:.4f} (rank correlation "
        f"{facts['rank_correlation']:.2f}), the label's mean {facts['mae_of_mean']:.4f}"
    )
    left = [name for name, label in calibration.labels.items() if not label.weights]
    said = f"Dice is predicted from the prediction's own certainty, with {figures}"
    if len(left) == len(calibration.labels):
        said = (
            f"these cases do not show that certainty tells Dice. The mean and its spread are predicted, with {figures}"
        )
    elif left:
        said = (
            f"Dice is predicted from the prediction's own certainty, of {', '.join(left)} by its mean, with {figures}"
        )
    return f"{said}. Measured with single folds, before postprocessing; an ensemble of folds was not measured"


def _explain_too_few(cases: Sequence[CaseScores]) -> str:
    if not any(case.confidence for case in cases):
        return NOT_MEASURED
    return (
        f"no Dice is predicted: no label is found and annotated in {MIN_CASES} of the {len(cases)} cases of the "
        f"cross-validation, in more than one part of them. Train further folds"
    )
