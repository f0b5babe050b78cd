"""How long do all metrics of a case take, and how much memory, with a hundred labels, or with the few of a dataset?

    python benchmarks/evaluating.py [--metrics ...] many SEGMENTATION.nii.gz [--shape 300 512 512] [--jobs 2]
    python benchmarks/evaluating.py [--metrics ...] dataset DATASET [--cases 20]

`many` enlarges a label map of many organs to the shape, cuts every organ into an upper and a lower half, so that there
are more than a hundred labels, and takes as prediction the same map under a smooth random displacement of some voxels,
with one organ in ten missing. `autoseg evaluate` runs as a person would run it, watched from outside (`many_labels`);
seconds of the processor are told beside those of the clock, for a machine that does other work, too.
`dataset` displaces the references of a dataset in the same way and tells the time of a case in one thread, without
reading. Appends to results/evaluating.csv.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from many_labels import watch
from scipy import ndimage
from side_by_side import write_rows

DISPLACEMENT_MM = 2.0  # standard deviation
KNOTS = 8  # of the displacement along each axis
Array = np.ndarray


def enlarge(segmentation: Array, shape: Sequence[int], displacements: Sequence[Array] | None = None) -> Array:
    """A label map on a finer grid, slice by slice, each voxel from where it is displaced to (in voxels of the map)."""
    enlarged = np.empty(shape, segmentation.dtype)
    steps = [old / new for old, new in zip(segmentation.shape, shape, strict=True)]
    plane = np.meshgrid(*((np.arange(n) + 0.5) * step - 0.5 for n, step in zip(shape[1:], steps[1:], strict=True)))
    for z in range(shape[0]):
        places = [np.full(shape[1:], (z + 0.5) * steps[0] - 0.5), plane[0].T, plane[1].T]
        if displacements is not None:
            knots = [np.full(shape[1:], z * (KNOTS - 1) / max(1, shape[0] - 1))]
            knots += list(np.meshgrid(*(np.linspace(0, KNOTS - 1, n) for n in shape[1:]), indexing="ij"))
            places = [
                place + ndimage.map_coordinates(field, knots, order=1)
                for place, field in zip(places, displacements, strict=True)
            ]
        enlarged[z] = ndimage.map_coordinates(segmentation, places, order=0, mode="nearest")
    return enlarged


def draw_displacements(spacing: Sequence[float], seed: int = 0) -> list[Array]:
    """One field of knots per axis, in voxels of this spacing."""
    generator = np.random.default_rng(seed)
    return [generator.normal(0, DISPLACEMENT_MM / step, (KNOTS,) * 3) for step in spacing]


def split_labels(segmentation: Array) -> Array:
    """Numbers 1, 2, ... without gaps, two for each organ: the slices below its middle and those above."""
    halves = np.zeros(segmentation.shape, np.int16)
    number = 0
    for label, box in enumerate(ndimage.find_objects(segmentation), start=1):
        if box is None:
            continue
        middle = (box[0].start + box[0].stop) // 2
        for part in (slice(box[0].start, middle), slice(middle, box[0].stop)):
            mask = segmentation[part] == label
            if mask.any():
                number += 1
                halves[part][mask] = number
    return halves


def measure_many(path: Path, shape: tuple[int, int, int], jobs: int, metrics: str | None) -> dict[str, object]:
    """Evaluate one enlarged case by the command line."""
    from autoseg.data.geometry import Geometry
    from autoseg.data.image_io import read_segmentation, write_segmentation

    stored, geometry = read_segmentation(path)
    small = split_labels(stored)
    n_labels = int(small.max())
    spacing = tuple(step * n / new for step, n, new in zip(geometry.spacing, small.shape, shape, strict=True))
    grid = Geometry(shape=shape, spacing=spacing)
    with tempfile.TemporaryDirectory() as temporary:
        reference, predicted = Path(temporary) / "reference", Path(temporary) / "predicted"
        names = {"background": 0, **{f"organ {n}": n for n in range(1, n_labels + 1)}}
        for folder in (reference, predicted):
            folder.mkdir()
        (reference / "dataset.json").write_text(json.dumps({"labels": names}))
        write_segmentation(reference / "case.nii.gz", enlarge(small, shape), grid)
        small[np.isin(small, np.arange(10, n_labels, 10))] = 0
        moved = enlarge(small, shape, draw_displacements(geometry.spacing))
        write_segmentation(predicted / "case.nii.gz", moved, grid)
        del moved
        command = [sys.executable, "-m", "autoseg", "evaluate", str(reference), str(predicted), "--jobs", str(jobs)]
        command += ["-o", temporary, *(["--metrics", metrics] if metrics else [])]
        seconds, peak_gb = watch(command)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        dice = json.loads((Path(temporary) / "report.json").read_text())["mean_dice"]
    return {
        "what": path.name,
        "shape": "x".join(map(str, shape)),
        "labels": n_labels,
        "metrics": metrics or "all",
        "jobs": jobs,
        "cases": 1,
        "mean_dice": float(dice),
        "seconds_per_case": seconds,
        "cpu_seconds": spent.ru_utime + spent.ru_stime,
        "peak_gb": peak_gb,
    }


def measure_dataset(folder: Path, n_cases: int, metrics: str | None) -> dict[str, object]:
    """Time `evaluate_case` in this process, one thread."""
    from autoseg.cli.metric_options import parse_metric_options
    from autoseg.data.image_io import read_segmentation
    from autoseg.data.labels import encode_labels
    from autoseg.data.layouts import read_dataset
    from autoseg.evaluation.case_metrics import evaluate_case

    dataset, options = read_dataset(folder), parse_metric_options(metrics)
    seconds, cpu_seconds, dices, shapes = [], [], [], []
    for case in dataset.cases[:n_cases]:
        stored, geometry = read_segmentation(case.segmentation)
        reference = encode_labels(stored, dataset.labels, where=case.id)
        predicted = enlarge(reference, reference.shape, draw_displacements(geometry.spacing))
        began, cpu_began = time.perf_counter(), time.process_time()
        scores = evaluate_case(
            reference, predicted, labels=dataset.labels, geometry=geometry, case_id=case.id, options=options
        )
        seconds.append(time.perf_counter() - began)
        cpu_seconds.append(time.process_time() - cpu_began)
        dices.append(scores.mean_dice)
        shapes.append(reference.shape)
    return {
        "what": folder.name,
        "shape": "x".join(str(int(statistics.median(axis))) for axis in zip(*shapes, strict=True)),
        "labels": dataset.labels.n_labels - 1,
        "metrics": metrics or "all",
        "jobs": 1,
        "cases": len(seconds),
        "mean_dice": statistics.fmean(dices),
        "seconds_per_case": statistics.median(seconds[1:] or seconds),  # the first one imports
        "cpu_seconds": statistics.median(cpu_seconds[1:] or cpu_seconds),
        "peak_gb": "",
    }


def main() -> None:
    """Measure and append a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metrics")
    modes = parser.add_subparsers(dest="mode", required=True)
    many = modes.add_parser("many")
    many.add_argument("segmentation", type=Path)
    many.add_argument("--shape", type=int, nargs=3, default=(300, 512, 512))
    many.add_argument("--jobs", type=int, default=2)
    dataset = modes.add_parser("dataset")
    dataset.add_argument("folder", type=Path)
    dataset.add_argument("--cases", type=int, default=20)
    arguments = parser.parse_args()
    if arguments.mode == "many":
        row = measure_many(arguments.segmentation, tuple(arguments.shape), arguments.jobs, arguments.metrics)
    else:
        row = measure_dataset(arguments.folder, arguments.cases, arguments.metrics)
    write_rows("evaluating", [row])


if __name__ == "__main__":
    main()
