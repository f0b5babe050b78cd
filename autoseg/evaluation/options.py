"""By which numbers, tolerances and thresholds is an evaluation measured? They stand in every report."""

from __future__ import annotations

from typing import Literal

from autoseg.serialization import Record

Group = Literal["overlap", "surface", "boundary", "lesions", "centre_lines", "calibration"]
ALL_TUBULAR = "all"  # every label is
GROUPS: tuple[Group, ...] = ("overlap", "surface", "boundary", "lesions", "centre_lines", "calibration")


class MetricOptions(Record):
    """What the metrics leave open.

    Lengths are in mm; in voxels of the picture where a format stores no spacing.

    Attributes:
        groups: what is measured; overlap always is, centre lines only of `tubular`, calibration only where there are
            probabilities.
        tolerances: of the normalised surface Dice, one score each (Nikolov et al., arXiv 1809.04430).
        label_tolerances: tolerances of a label or region by name, instead of those for all.
        boundary_width: how far from its surface a mask's boundary reaches, for the boundary IoU (Cheng et al., CVPR
            2021); None is 2% of the image's diagonal, as published.
        lesion_iou: the least intersection over union at which a predicted component finds a reference component.
        min_lesion_volume_ml: components below are not counted on either side; 0 counts every voxel.
        tubular: names of labels or regions whose centre lines are compared (clDice, Shit et al., CVPR 2021); `all` is
            every one. Centre lines say nothing about blobs, and take long.
        n_bins: of confidence, for the expected calibration error (Guo et al., ICML 2017).
    """

    groups: tuple[Group, ...] = GROUPS
    tolerances: tuple[float, ...] = (1.0, 2.0)
    label_tolerances: dict[str, tuple[float, ...]] = {}
    boundary_width: float | None = None
    lesion_iou: float = 0.1
    min_lesion_volume_ml: float = 0.0
    tubular: tuple[str, ...] = ()
    n_bins: int = 15
