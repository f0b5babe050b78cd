"""Do other libraries measure the same on real predictions?

    python benchmarks/metric_agreement.py REFERENCE PREDICTED [--what "Hippocampus, unet"]

Every case and label of two folders, as `autoseg evaluate` scores them, against DeepMind's surface-distance (HD95,
surface Dice at 1 and 2 mm, mean distance over both surfaces) and MONAI (Dice, Jaccard, surface Dice by subvoxels),
which must be installed (`pip install ".[test]"`). MONAI's Hausdorff distance counts border voxels instead of areas:
how far apart the two definitions are is told, too, and is no error of either. Pairs of which one side is empty are
left out: there the libraries say infinite or NaN by design. Appends the largest deviation of each metric to
results/metric_agreement.csv.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import surface_distance
import torch
from monai.metrics import compute_hausdorff_distance, compute_iou
from monai.metrics.meandice import compute_dice
from monai.metrics.surface_dice import compute_surface_dice
from side_by_side import append_rows, describe_machine

from autoseg.data.image_io import read_header, read_segmentation
from autoseg.data.labels import encode_labels
from autoseg.evaluation.evaluating import evaluate_folders
from autoseg.evaluation.matching import find_labels

TOLERANCES = (1.0, 2.0)
Array = np.ndarray


def measure_by_others(reference: Array, predicted: Array, spacing: tuple[float, ...]) -> dict[tuple[str, str], float]:
    """Scores of two masks by library and metric, under our names."""
    distances = surface_distance.compute_surface_distances(reference, predicted, spacing)
    sides = surface_distance.compute_average_surface_distance(distances)
    areas = distances["surfel_areas_gt"].sum(), distances["surfel_areas_pred"].sum()
    deepmind = {
        "hd95": surface_distance.compute_robust_hausdorff(distances, 95),
        "assd": (sides[0] * areas[0] + sides[1] * areas[1]) / sum(areas),
        **{
            f"nsd_{tolerance:g}": surface_distance.compute_surface_dice_at_tolerance(distances, tolerance)
            for tolerance in TOLERANCES
        },
    }
    one, other = (torch.from_numpy(mask)[None, None].float() for mask in (predicted, reference))
    monai = {
        "dice": compute_dice(one, other).item(),
        "jaccard": compute_iou(one, other).item(),
        "hd95 (border voxels)": compute_hausdorff_distance(
            one, other, include_background=True, percentile=95, spacing=list(spacing)
        ).item(),
        **{
            f"nsd_{tolerance:g}": compute_surface_dice(
                one, other, [tolerance], include_background=True, spacing=list(spacing), use_subvoxels=True
            ).item()
            for tolerance in TOLERANCES
        },
    }
    libraries = {f"surface-distance {version('surface-distance')}": deepmind, f"monai {version('monai')}": monai}
    return {(library, metric): value for library, scores in libraries.items() for metric, value in scores.items()}


def list_deviations(reference: Path, predicted: Path) -> Iterator[dict[tuple[str, str], float]]:
    """Absolute deviations of every case and label by library and metric."""
    labels = find_labels(reference)
    report = evaluate_folders(
        reference, predicted, case_ids=[path.name.split(".")[0] for path in predicted.glob("*.*z*")]
    )
    for case in report.cases:
        files = (next(folder.glob(f"{case.case_id}.*")) for folder in (reference, predicted))
        maps = [encode_labels(read_segmentation(file)[0], labels, where=str(file)) for file in files]
        spacing = read_header(next(reference.glob(f"{case.case_id}.*"))).geometry.spacing
        for name, numbers in labels.targets:
            masks = [np.isin(values, list(numbers)) for values in maps]
            if not all(mask.any() for mask in masks):
                continue
            scores = case.labels[name].values()
            ours = {metric.removesuffix("mm"): value for metric, value in scores.items()}
            others = measure_by_others(*masks, spacing)
            yield {key: abs(value - ours[key[1].split(" ")[0]]) for key, value in others.items()}


def main() -> None:
    """Measure, print and append."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("predicted", type=Path)
    parser.add_argument("--what", default="")
    arguments = parser.parse_args()
    deviations = list(list_deviations(arguments.reference, arguments.predicted))
    rows = []
    for library, metric in deviations[0]:
        values = [deviation[library, metric] for deviation in deviations if not math.isnan(deviation[library, metric])]
        largest = max(values)
        rows.append(
            {"what": arguments.what, "library": library, "metric": metric, "n": len(values), "largest": largest}
        )
        print(f"{library:24} {metric:22} n {len(values):4}  largest deviation {largest:.3g}")
    machine = describe_machine()
    columns = ["date", "commit", "what", "library", "metric", "n", "largest"]
    kept = {key: machine[key] for key in ("date", "commit")}
    path = Path(__file__).parent / "results" / "metric_agreement.csv"
    append_rows(path, columns, [{**kept, **row} for row in rows])


if __name__ == "__main__":
    main()
