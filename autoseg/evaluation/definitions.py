"""What does every metric mean, in which unit, which way is better, and what does it say of empty masks?

One table (`FACTS`) and the sentences that stand in every report. The rows of the table are the metrics of
`report.LabelScores`; the surface Dice has one metric for each tolerance, `nsd_2mm` (`nsd_2px` without spacing).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from autoseg.evaluation.options import MetricOptions

Unit = Literal["", "ml", "length", "count"]
Worst = Literal["lowest", "highest", "farthest from 0", ""]

NSD = "nsd"
REACH = (
    5  # voxels around the reference over which calibration is measured, more than a boundary is blurred by; unproven
)
PROBABLE = 0.05  # a voxel further away counts from this probability on; chosen without proof


class MetricFacts(NamedTuple):
    """What is known of a metric.

    Attributes:
        group: what is computed together with it, and is chosen by that name (`MetricOptions.groups`).
        title: for people.
        unit: nothing for a share; `length` is mm, or px where images have no spacing.
        worst: which end is the bad one; nothing where neither is.
    """

    group: str
    title: str
    unit: Unit
    worst: Worst


FACTS = {
    "dice": MetricFacts("overlap", "Dice", "", "lowest"),
    "jaccard": MetricFacts("overlap", "Jaccard", "", "lowest"),
    "precision": MetricFacts("overlap", "precision", "", "lowest"),
    "recall": MetricFacts("overlap", "recall", "", "lowest"),
    "reference_ml": MetricFacts("overlap", "reference volume", "ml", ""),
    "predicted_ml": MetricFacts("overlap", "predicted volume", "ml", ""),
    "volume_error_ml": MetricFacts("overlap", "volume error", "ml", "farthest from 0"),
    "hd95": MetricFacts("surface", "HD95", "length", "highest"),
    "assd": MetricFacts("surface", "ASSD", "length", "highest"),
    NSD: MetricFacts("surface", "NSD", "", "lowest"),
    "boundary_iou": MetricFacts("boundary", "boundary IoU", "", "lowest"),
    "cl_dice": MetricFacts("centre_lines", "clDice", "", "lowest"),
    "lesion_f1": MetricFacts("lesions", "lesion F1", "", "lowest"),
    "lesion_sensitivity": MetricFacts("lesions", "lesion sensitivity", "", "lowest"),
    "lesion_false_positives": MetricFacts("lesions", "false lesions", "count", "highest"),
    "ece": MetricFacts("calibration", "ECE", "", "highest"),
    "brier": MetricFacts("calibration", "Brier", "", "highest"),
}


def find_facts(metric: str) -> MetricFacts:
    """Facts of a metric by its name in a report, those of `nsd_2mm` included."""
    facts = FACTS[metric.split("_")[0] if metric.startswith(f"{NSD}_") else metric]
    tolerance = metric.removeprefix(f"{NSD}_")
    return facts if tolerance == metric else facts._replace(title=f"NSD {tolerance[:-2]} {tolerance[-2:]}")


def clip_to_range(metric: str, values: tuple[float, float]) -> tuple[float, float]:
    """Values no further than the metric can be: shares lie in 0..1, and nothing but the volume error is below 0."""
    low, high = (-math.inf if metric == "volume_error_ml" else 0.0), (math.inf if find_facts(metric).unit else 1.0)
    return min(max(values[0], low), high), min(max(values[1], low), high)


def name_nsd(tolerance: float, unit: str) -> str:
    """The metric of a tolerance: `nsd_2mm`, `nsd_0.5px`."""
    return f"{NSD}_{tolerance:g}{unit}"


def name_unit(metric: str, unit_of_length: str) -> str:
    """The unit of a metric in a file: `mm`, `px`, `ml`, `count`, or nothing for a share."""
    unit = find_facts(metric).unit
    return unit_of_length if unit == "length" else unit


OVERLAP = (
    "Dice, Jaccard, precision and recall are counted in voxels, per case and label; volumes in ml, volume error is "
    "predicted minus reference; null where the images have no spacing. A label that is empty in reference and "
    "prediction is not counted (null). Empty in the reference only: Dice, Jaccard and precision 0, recall not counted. "
    "Empty in the prediction only: Dice, Jaccard and recall 0, precision not counted. A missing prediction scores 0 in "
    "all four; its volume counts as 0 ml."
)
SURFACES = (
    "Surfaces run between voxels; their elements count by their area (contours of pictures and single slices by their "
    "length), as in DeepMind's surface-distance (Nikolov et al., arXiv 1809.04430). HD95 is the larger of the two "
    "95th percentiles of the distances from one surface to the other, ASSD the mean over both, in {unit}; NSD is the "
    "share of both surfaces that lies within the tolerance of the other: {tolerances}. Empty in both: not counted. "
    "Empty in one, or prediction missing: HD95 and ASSD are the diagonal of the image, NSD is 0."
)
BOUNDARY = (
    "Boundary IoU is the intersection over union of what lies in either mask within {width} of its surface (Cheng et "
    "al., CVPR 2021). Empty in both: not counted. Empty in one, or prediction missing: 0."
)
LESIONS = (
    "Lesions are connected components{smallest}, by faces, edges and corners; a predicted one finds a reference one by "
    "an intersection over union of at least {iou:g}, each one other at most; one that would have found a "
    "component too small to count is neither hit nor false. F1 is not counted without lesions on "
    "either side, sensitivity not without reference lesions; false lesions, predicted ones that find none, are counted "
    "in every case that has a prediction. Prediction missing: F1 and sensitivity 0, false lesions not counted (their n "
    "is smaller then), for what it would have invented is not known."
)
CENTRE_LINES = (
    "clDice compares centre lines (Shit et al., CVPR 2021), of {labels} only. Empty in both: not counted. Empty in "
    "one, or prediction missing: 0."
)
CALIBRATION = (
    "ECE is the expected calibration error over {bins} bins of the probability of a label (Guo et al., ICML 2017), "
    "Brier the mean squared difference between probability and reference, both over the voxels that lie within {reach} "
    "voxels of the finest spacing of the reference's label, or have a probability of {probable:g} or more. Without "
    "such voxels they are not counted; where the prediction is missing, both are 1."
)
CLOSING = (
    "Voxels that the reference leaves unannotated are outside of every count, and in neither mask where surfaces, "
    "boundaries, lesions and centre lines are measured; labels that a case does not annotate are not counted (null). "
    "Where regions, unions of labels, are declared, they stand in place of labels. Mean, median and sample standard "
    "deviation are over the cases where a score is counted, n is their number; low and high are the 95% interval of "
    "the mean, by drawing cases anew{within} (expanded percentile bootstrap; of few cases at least as far as Student's "
    "t reaches), cut off where the metric ends. mean_dice is the mean over foreground labels of "
    "the mean over cases. The worst case of a metric is its lowest for shares, the highest for distances, false "
    "lesions, ECE and Brier, and the one farthest from 0 for the volume error."
)


def describe_definition(options: MetricOptions, *, unit: str = "mm", by_fold: bool = False) -> str:
    """What the numbers of a report with these options mean, the policy for empty masks included.

    Args:
        options: of the evaluation.
        unit: of lengths: `mm`, or `px` where the images have no spacing.
        by_fold: whether intervals draw cases within folds.
    """
    asked = set(options.groups)
    sentences = {
        "surface": SURFACES.format(unit=unit, tolerances=_describe_tolerances(options, unit)),
        "boundary": BOUNDARY.format(width=_describe_width(options, unit)),
        "lesions": LESIONS.format(smallest=_describe_smallest(options, unit), iou=options.lesion_iou),
        "centre_lines": CENTRE_LINES.format(labels=", ".join(options.tubular)) if options.tubular else "",
        "calibration": CALIBRATION.format(bins=options.n_bins, reach=REACH, probable=PROBABLE),
    }
    shown = [sentence for group, sentence in sentences.items() if group in asked and sentence]
    return " ".join([OVERLAP, *shown, CLOSING.format(within=" within their folds" if by_fold else "")])


def _describe_tolerances(options: MetricOptions, unit: str) -> str:
    own = [f"{_join(values)} {unit} for {name}" for name, values in options.label_tolerances.items()]
    return ", ".join([f"{_join(options.tolerances)} {unit}" if options.tolerances else "none", *own])


def _join(values: tuple[float, ...]) -> str:
    return " and ".join(f"{value:g}" for value in values)


def _describe_width(options: MetricOptions, unit: str) -> str:
    return "2% of the image's diagonal" if options.boundary_width is None else f"{options.boundary_width:g} {unit}"


def _describe_smallest(options: MetricOptions, unit: str) -> str:
    if not options.min_lesion_volume_ml:
        return ""
    return " (volume unknown: all counted)" if unit == "px" else f" of at least {options.min_lesion_volume_ml:g} ml"


DEFINITION = describe_definition(MetricOptions(groups=("overlap",)))
