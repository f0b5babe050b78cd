"""How good are these segmentations, against a reference?

`evaluate_folders` scores two files or two folders, a case at a time or several side by side, and keeps nothing of a
case but its scores. A prediction that is missing scores as a miss and is named, one without a reference is named and
not scored. `make_report` sums cases up.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from autoseg.data.labels import Labels
from autoseg.errors import DatasetError, UsageError
from autoseg.evaluation.case_files import CaseJob, evaluate_jobs
from autoseg.evaluation.definitions import clip_to_range, describe_definition, find_facts
from autoseg.evaluation.intervals import Interval, bootstrap_intervals
from autoseg.evaluation.matching import find_annotated, find_labels, find_unit, match_files, measure_labels
from autoseg.evaluation.options import ALL_TUBULAR, MetricOptions
from autoseg.evaluation.pairing import FoldOf, find_folds
from autoseg.evaluation.report import METRICS, CaseScores, Report, Summary, WorstCase, mean_of
from autoseg.evaluation.tables import name_length_unit
from autoseg.serialization import did_you_mean

Progress = Callable[[int, int], None]
Column = list[tuple[str, float]]  # case ids, and the scores of a metric of a label where it is counted


def evaluate_folders(
    reference: Path,
    predicted: Path,
    labels: Labels | None = None,
    *,
    case_ids: Collection[str] | None = None,
    options: MetricOptions | None = None,
    probabilities: Path | None = None,
    n_jobs: int | None = None,
    on_progress: Progress | None = None,
) -> Report:
    """Score a folder of segmentations, or a single file, against its reference.

    Args:
        reference: a folder of reference segmentations, or one file.
        predicted: a folder of predicted segmentations, or one file, in the numbering of the reference.
        labels: names and numbers; by default from a `dataset.json` beside or above the reference, else the numbers
            that references and predictions hold, 0 being background. Which cases annotate some labels only is known
            from that file in either case.
        case_ids: the cases to score, where not all of the folder's; each must have a reference.
        options: which metrics, with which tolerances; those of `MetricOptions()` by default.
        probabilities: folder in which `predict-ensemble` saved what it predicted; calibration is measured then.
        n_jobs: cores to use; None for all. Cases are worked on side by side as far as memory bears, then labels.
        on_progress: called with (cases done, cases in all).

    Raises:
        DatasetError: no segmentations, two files for one case, unequal geometry, an undeclared label, or lengths in mm
            and in px together.
        UsageError: options name a label that there is not.
        ResourceError: a worker died or memory ran out; names the case.
    """
    chosen = options or MetricOptions()
    references, predictions = match_files(reference, predicted)
    wanted = sorted(references if case_ids is None else set(case_ids))
    _refuse_unknown(wanted, references, reference)
    if "surface" in chosen.groups:
        refuse_mixed_units({one: find_unit(references[one]) for one in wanted})
    annotated = find_annotated(reference)
    labels = labels or find_labels(reference) or measure_labels(wanted, references, predictions)
    refuse_unknown_labels(chosen, labels)
    jobs = [
        CaseJob(one, references[one], predictions.get(one), labels, annotated.get(one), chosen, probabilities)
        for one in wanted
    ]
    cases = []
    for scores in evaluate_jobs(jobs, n_jobs):
        cases.append(scores)
        if on_progress:
            on_progress(len(cases), len(jobs))
    extra = [path.name for case_id, path in predictions.items() if case_id not in references]
    return make_report(cases, labels, without_reference=extra, options=chosen)


def _refuse_unknown(wanted: Collection[str], references: Mapping[str, Path], folder: Path) -> None:
    unknown = [case_id for case_id in wanted if case_id not in references]
    if unknown:
        hint = did_you_mean(unknown[0], references)
        raise DatasetError(f"{folder}: has no reference segmentation for {', '.join(unknown)}.{hint}")
    if not wanted:
        raise UsageError(f"{folder}: no case is to be scored. Name one at least, or leave the choice out for all.")


def refuse_unknown_labels(options: MetricOptions, labels: Labels) -> None:
    """Raise UsageError if options name a label or region that is not scored."""
    known = [name for name, _ in labels.targets]
    for name in (*options.label_tolerances, *options.tubular):
        if name not in known and name != ALL_TUBULAR:
            raise UsageError(f"{name} is no label or region of this dataset.{did_you_mean(name, known)}")


def make_report(
    cases: Sequence[CaseScores],
    labels: Labels,
    *,
    without_reference: Sequence[str] = (),
    options: MetricOptions | None = None,
    fold_of: FoldOf | None = None,
) -> Report:
    """Sum cases up.

    Args:
        cases: at least one, each with the scores of every foreground label, or region.
        labels: the labels that the cases were scored on.
        without_reference: names of predictions that had no reference.
        options: that the cases were scored with; None where that is not known.
        fold_of: the fold that held each case out, so that intervals draw cases within folds; the definition tells.

    Raises:
        DatasetError: distances of some cases are in mm, of others in px.
        UsageError: a case without a fold.
    """
    ordered = tuple(sorted(cases, key=lambda case: case.case_id))
    refuse_mixed_units({case.case_id: name_length_unit(case) for case in ordered if _has_distances(case)})
    find_folds([case.case_id for case in ordered], fold_of)
    columns = {name: _gather(ordered, name) for name, _ in labels.targets}
    summary = _summarise_columns(columns, fold_of)
    return Report(
        definition=_describe(columns, options, by_fold=fold_of is not None),
        options=options,
        mean_dice=mean_of([metrics["dice"].mean for metrics in summary.values()]),
        n_cases=len(ordered),
        missing=tuple(case.case_id for case in ordered if case.is_missing),
        without_reference=tuple(sorted(without_reference)),
        summary=summary,
        worst={name: dict(_find_worst(metrics)) for name, metrics in columns.items()},
        cases=ordered,
    )


def refuse_mixed_units(units: Mapping[str, str]) -> None:
    """Raise DatasetError if the lengths of some cases are in mm, of others in px; units by case."""
    of_unit = {unit: [case_id for case_id, its in units.items() if its == unit] for unit in ("mm", "px")}
    if of_unit["mm"] and of_unit["px"]:
        some = "; ".join(f"{unit}: {', '.join(names[:3])}" for unit, names in of_unit.items())
        raise DatasetError(
            f"{len(of_unit['px'])} of {len(units)} cases have no spacing, and their distances are in px, not in mm "
            f"({some}). Evaluate both kinds apart (--cases), or without surface."
        )


def _has_distances(case: CaseScores) -> bool:
    return any(not math.isnan(scores.hd95) for scores in case.labels.values())


def _gather(cases: Sequence[CaseScores], name: str) -> dict[str, Column]:
    """Of one label the counted scores of every metric, each with its case; those that no case counted are empty."""
    columns: dict[str, Column] = {metric: [] for metric in METRICS}
    for case in cases:
        for metric, value in case.labels[name].values().items():
            column = columns.setdefault(metric, [])
            if not math.isnan(value):
                column.append((case.case_id, value))
    return columns


def _summarise_columns(
    columns: Mapping[str, Mapping[str, Column]], fold_of: FoldOf | None
) -> dict[str, dict[str, Summary]]:
    flat = [column for metrics in columns.values() for column in metrics.values()]
    values = [[value for _, value in column] for column in flat]
    strata = None if fold_of is None else [[fold_of[case_id] for case_id, _ in column] for column in flat]
    made = iter(zip(values, bootstrap_intervals(values, strata=strata), strict=True))
    return {name: {metric: _summarise(metric, *next(made)) for metric in metrics} for name, metrics in columns.items()}


def _summarise(metric: str, defined: Sequence[float], interval: Interval) -> Summary:
    low, high = interval if math.isnan(interval[0]) else clip_to_range(metric, interval)
    return Summary(
        mean=mean_of(defined),
        median=statistics.median(defined) if defined else math.nan,
        std=statistics.stdev(defined) if len(defined) > 1 else math.nan,
        n=len(defined),
        low=low,
        high=high,
    )


def _find_worst(columns: Mapping[str, Column]) -> Iterable[tuple[str, WorstCase]]:
    badness = {"lowest": lambda value: -value, "highest": lambda value: value, "farthest from 0": abs}
    for metric, column in columns.items():
        direction = find_facts(metric).worst
        if column and direction:
            case_id, value = max(column, key=lambda scored: badness[direction](scored[1]))
            yield metric, WorstCase(case_id=case_id, value=value, direction=direction)


def _describe(columns: Mapping[str, Mapping[str, Column]], options: MetricOptions | None, *, by_fold: bool) -> str:
    """What the numbers mean; calibration and pixels only where they were measured."""
    if options is None:
        return describe_definition(MetricOptions(groups=("overlap",)), by_fold=by_fold)
    measured = {metric for metrics in columns.values() for metric, column in metrics.items() if column}
    groups = tuple(group for group in options.groups if group != "calibration" or "ece" in measured)
    is_known = "reference_ml" in measured or "dice" not in measured
    shown = options.model_copy(update={"groups": groups})
    return describe_definition(shown, unit="mm" if is_known else "px", by_fold=by_fold)
